// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Whether a folder, or a link to one, is there.
public func isFolder(_ path: String) -> Bool {
    var facts = stat()
    return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
}

/// Creates the folder and its parents where missing.
/// - Throws: `FileError` when that fails or `path` is not a folder that can be written.
public func makeFolder(_ path: String) throws {
    func fail(_ reason: String) -> FileError { FileError("cannot create the folder \(path): \(reason)") }
    guard !path.isEmpty else { throw FileError("expected the name of a folder, found an empty one") }
    for end in path.indices.dropFirst().filter({ path[$0] == "/" }) + [path.endIndex] {
        guard mkdir(String(path[..<end]), 0o777) != 0 else { continue }
        let reason = errno
        var facts = stat()
        if stat(String(path[..<end]), &facts) == 0 {  // whatever mkdir says: it is there
            guard facts.st_mode & S_IFMT == S_IFDIR else { throw fail("\(path[..<end]) is no folder") }
            continue
        }
        let isLink = reason == EEXIST  // as `stat` does not come to anything
        throw fail(isLink ? "\(path[..<end]) is a link to what cannot be reached (\(systemReason()))" : String(cString: strerror(reason)))
    }
    guard access(path, W_OK) == 0 else { throw FileError("cannot write into the folder \(path): \(systemReason())") }
}

/// Makes a folder for `body` and removes it, with all in it, afterwards, also where a signal ends the program.
/// - Parameter path: what is there already is removed.
package func withTemporaryFolder<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    try? FileManager.default.removeItem(atPath: path)
    Unfinished.add(path)
    defer {
        try? FileManager.default.removeItem(atPath: path)
        Unfinished.forget(path)
    }
    try makeFolder(path)
    return try body()
}
