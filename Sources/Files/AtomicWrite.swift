// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A file or folder that could not be used; the message says which, why, and what to do.
public struct FileError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = oneLine(description) }
}

/// Replaces `path` by `data` so that a reader, or a crash at any moment, sees the old bytes or the new, never a mixture.
///
/// The bytes go to `path.part`, are synced, and are renamed over `path`; the part file is removed on failure.
/// - Throws: `FileError` with the system's reason (no space left, permission denied, …).
public func writeAtomically(_ data: Data, to path: String) throws {
    let part = path + ".part"
    func fail(_ action: String) -> FileError {
        let reason = String(cString: strerror(errno))
        unlink(part)
        return FileError("cannot \(action) \(path): \(reason)")
    }
    let file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw fail("create") }
    do {
        defer { close(file) }
        try data.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let step = write(file, bytes.baseAddress! + written, bytes.count - written)
                if step < 0 && errno == EINTR { continue }
                guard step > 0 else { throw fail("write") }
                written += step
            }
        }
        guard fsync(file) == 0 else { throw fail("write") }
    }
    guard rename(part, path) == 0 else { throw fail("replace") }
}

/// Creates the folder and its parents where missing.
/// - Throws: `FileError` when that fails or `path` is not a folder that can be written.
public func makeFolder(_ path: String) throws {
    do {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
        throw FileError("cannot create the folder \(path): \(String(cString: strerror(errno)))")
    }
    guard access(path, W_OK) == 0 else { throw FileError("cannot write into the folder \(path): \(String(cString: strerror(errno)))") }
}
