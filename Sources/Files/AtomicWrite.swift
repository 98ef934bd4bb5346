// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A file or folder that could not be used; the message says which, why, and what to do.
public struct FileError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = oneLine(description) }
}

/// Replaces `path` by `data` so that a reader, or a crash at any moment, sees the old bytes or the new, never a mixture.
///
/// The bytes go to a new file beside it, `NAME.XXXXXXXX.part` with random hexadecimal digits, are synced, and are renamed over
/// `path`; then the folder is synced. Processes that write the same file do not disturb each other: the last one stays. The
/// file keeps its mode and, where the system allows it, its owner; a new one has the mode that the umask leaves of 0666. Where
/// `path` is a symbolic link the file it leads to is replaced, and the link stays. Part files are removed on failure, those of
/// killed processes by the next write of the same file.
/// - Throws: `FileError` with the system's reason (no space left, permission denied, …), or when something other than a
///   regular file is there.
public func writeAtomically(_ data: Data, to path: String) throws { try writeAtomically(data, to: path, by: write) }

/// - Parameter write: as write(2), for tests of what the system seldom does.
package func writeAtomically(_ data: Data, to path: String, by write: (Int32, UnsafeRawPointer?, Int) -> Int) throws {
    let (place, old) = try destination(of: path)
    let part = try PartFile(of: place, named: path, old: old)
    do {
        try writeDurably(data, to: part.descriptor, named: path, by: write)
        guard rename(part.path, place) == 0 else { throw FileError("cannot replace \(path): \(systemReason())") }
    } catch {
        part.close(removing: true)
        throw error
    }
    part.close(removing: false)
    try syncFolder(of: place)
    removeLeftovers(of: place)
}

/// Writes all of `data` to an open file; it is on disk when this returns.
/// - Parameters:
///   - path: the file's name in messages.
///   - write: as write(2).
/// - Throws: `FileError` with the system's reason.
package func writeDurably(
    _ data: Data, to descriptor: Int32, named path: String, by write: (Int32, UnsafeRawPointer?, Int) -> Int = write
) throws {
    try data.withUnsafeBytes { bytes in
        var written = 0
        while written < bytes.count {
            let step = write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            if step < 0 && errno == EINTR { continue }
            guard step > 0 else { throw FileError("cannot write \(path): \(systemReason())") }
            written += step
        }
    }
    guard fsync(descriptor) == 0 else { throw FileError("cannot write \(path): \(systemReason())") }
}

/// Syncs the file `new`, which another program wrote beside `path`, and renames it over `path`.
/// - Throws: `FileError` with the system's reason.
public func replace(_ path: String, by new: String) throws {
    func fail() -> FileError { FileError("cannot write \(path): \(systemReason())") }
    let file = open(new, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw fail() }
    let isSynced = fsync(file) == 0
    let reason = fail()
    close(file)
    guard isSynced else { throw reason }
    guard rename(new, path) == 0 else { throw fail() }
}

/// What the system said about its last call that failed; to be asked for before anything else is called.
package func systemReason() -> String { String(cString: strerror(errno)) }

/// The regular file, there or not, that writing to `path` would change, and its facts where it is there.
private func destination(of path: String) throws -> (place: String, old: stat?) {
    var (place, facts) = (path, stat())
    // By the system first: it refuses links that others planted in shared folders, and links in a circle.
    guard stat(path, &facts) == 0 || errno == ENOENT else { throw FileError("cannot write \(path): \(systemReason())") }
    while lstat(place, &facts) == 0 {
        switch facts.st_mode & S_IFMT {
        case S_IFREG: return (place, facts)
        case S_IFLNK:
            let next = try FileManager.default.destinationOfSymbolicLink(atPath: place)
            place = next.hasPrefix("/") ? next : folder(of: place) + "/" + next
        case let kind:
            throw FileError("cannot write \(path): it is \(kind == S_IFDIR ? "a folder" : "no regular file (a pipe or a device)")")
        }
    }
    return (place, nil)
}

/// A new file beside the one that it is to replace. Its writer holds its lock (flock), so that a part file without a holder is a
/// leftover.
private struct PartFile {
    private(set) var path = ""
    private(set) var descriptor: Int32 = -1

    init(of place: String, named name: String, old: stat?) throws {
        repeat {
            let digits = String(UInt32.random(in: 0x1000_0000...UInt32.max), radix: 16)
            path = "\(place).\(digits).part"
            let (file, reason) = Unfinished.createFile(path, mode: old.map { $0.st_mode & 0o777 } ?? 0o666)
            guard file >= 0 || reason == EEXIST else { throw FileError("cannot create \(name): \(String(cString: strerror(reason)))") }
            descriptor = file
        } while descriptor < 0 || !isOurs
        guard let old else { return }
        if fchown(descriptor, old.st_uid, old.st_gid) != 0 { _ = fchown(descriptor, uid_t.max, old.st_gid) }
        _ = fchmod(descriptor, old.st_mode & 0o777)
    }

    /// Locks it, unless it was taken for a leftover and removed before.
    private var isOurs: Bool {
        _ = flock(descriptor, LOCK_EX)  // where there are no locks, leftovers stay
        var facts = stat()
        if fstat(descriptor, &facts) == 0 && facts.st_nlink > 0 { return true }
        close(removing: true)
        return false
    }

    func close(removing: Bool) {
        if removing { unlink(path) }
        Unfinished.forget(path)
        Foundation.close(descriptor)
    }
}

/// Part files of the file at `place` whose writers are gone.
private func removeLeftovers(of place: String) {
    let name = (place as NSString).lastPathComponent + "."
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder(of: place))) ?? []
    for part in names where part.hasPrefix(name) && part.dropFirst(name.count).wholeMatch(of: /[0-9a-f]{8}\.part/) != nil {
        let path = folder(of: place) + "/" + part
        let file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { continue }
        if flock(file, LOCK_EX | LOCK_NB) == 0 { unlink(path) }
        close(file)
    }
}

/// Makes the rename survive a power failure, as fsync(2) advises.
private func syncFolder(of place: String) throws {
    let folder = open(folder(of: place), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }  // a folder that may be written but not read
    defer { close(folder) }
    guard fsync(folder) == 0 || errno == EINVAL else { throw FileError("cannot write the folder of \(place): \(systemReason())") }
}

private func folder(of path: String) -> String {
    let folder = (path as NSString).deletingLastPathComponent
    return folder.isEmpty ? "." : folder
}
