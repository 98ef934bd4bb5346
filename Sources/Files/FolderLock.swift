// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Runs `body` while no other holder of the folder's lock does, in this process or another: waits for its turn.
///
/// The lock is flock(2)'s on the folder itself, so it leaves no file and ends with its holder. Not reentrant.
/// - Throws: `FileError` when the folder cannot be opened or locked; what `body` throws.
public func withLock<Result>(on folder: String, _ body: () throws -> Result) throws -> Result {
    let descriptor = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("cannot open the folder \(folder): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX) != 0 {
        guard errno == EINTR else { throw FileError("cannot lock the folder \(folder): \(String(cString: strerror(errno)))") }
    }
    return try body()
}
