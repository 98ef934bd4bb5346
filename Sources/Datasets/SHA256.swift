// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// SHA-256 of files, in hexadecimal, by coreutils' `sha256sum`: it is on every Debian machine and costs the
/// build nothing, where a cryptography package would add minutes to it.
/// - Throws: `FileError` when a file cannot be read.
package func sha256(ofFiles paths: [String]) throws -> [String] {
    let result = try runTool("sha256sum", ["--zero", "--"] + paths, package: "coreutils")
    let sums = result.output.split(separator: "\0").map { String($0.prefix(64)) }
    guard result.status == 0, sums.count == paths.count else {
        throw FileError("cannot compute checksums: \(result.complaint)")
    }
    return sums
}
