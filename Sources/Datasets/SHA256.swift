// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// SHA-256 of files, in hexadecimal, by coreutils' `sha256sum`: it is on every Debian machine and costs the
/// build nothing, where a cryptography package would add minutes to it.
/// - Throws: `FileError` when a file cannot be read.
package func sha256(ofFiles paths: [String]) throws -> [String] { try sums(of: paths, count: paths.count) }

/// The same of bytes that no file holds as they are, such as a gzip file's content.
/// - Throws: `FileError` when `sha256sum` cannot run.
package func sha256(of bytes: [UInt8]) throws -> String { try sums(of: ["-"], input: bytes, count: 1)[0] }

private func sums(of arguments: [String], input: [UInt8] = [], count: Int) throws -> [String] {
    let result = try runTool("sha256sum", ["--zero", "--"] + arguments, package: "coreutils", input: input)
    let sums = result.output.split(separator: "\0").map { String($0.prefix(64)) }
    guard result.status == 0, sums.count == count else { throw FileError("cannot compute checksums: \(result.complaint)") }
    return sums
}
