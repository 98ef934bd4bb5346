// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Runs `body` while no other holder of the folder's lock does, in this process or another: waits for its turn, and after 2 s
/// says for whom. Not reentrant.
/// - Throws: `FileError` when the folder cannot be written or locked; what `body` throws.
public func withLock<Result>(on folder: String, _ body: () throws -> Result) throws -> Result {
    let path = (folder.isEmpty ? "." : folder) + "/.lock"
    var turns = 0
    while true {
        if let lock = try FileLock(path) { return try withExtendedLifetime(lock, body) }
        turns += 1
        if turns == 100 { note("waiting for \(FileLock.holder(of: path)), which writes into \(folder.isEmpty ? "." : folder)") }
        usleep(20_000)
    }
}

/// Runs `body` while the lock file is held, or refuses.
/// - Parameters:
///   - path: of the lock file, made if it is not there.
///   - refusal: what to say when the lock is held, by whom (`process 1 on host since …`).
///   - body: what is done meanwhile.
/// - Throws: `FileError` with `refusal`, or when the file cannot be written or locked; what `body` throws.
public func withLock<Result>(file path: String, refusal: (_ holder: String) -> String, _ body: () throws -> Result) throws -> Result {
    for _ in 0..<10 {  // somebody may just be looking whether it is held
        if let lock = try FileLock(path) { return try withExtendedLifetime(lock, body) }
        usleep(20_000)
    }
    throw FileError(refusal(FileLock.holder(of: path)))
}

/// Who holds the lock file, nil when nobody does.
public func holder(ofLock path: String) -> String? {
    let file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return flock(file, LOCK_EX | LOCK_NB) == 0 ? nil : FileLock.holder(of: path)
}

/// A file that exists while it is locked, and names the holder.
///
/// The lock is flock(2)'s, on a file opened for writing: so it holds on network file systems, too, and it ends with its holder,
/// however that ends. A file that a killed process left is not locked, and serves the next one.
private final class FileLock {
    private let path: String
    private let descriptor: Int32

    /// Nil when another holds it.
    init?(_ path: String) throws {
        func fail() -> FileError { FileError("cannot lock \(path): \(systemReason())") }
        var facts = (stat(), stat())
        while true {
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
            guard file >= 0 else { throw fail() }
            if flock(file, LOCK_EX | LOCK_NB) != 0 {
                let error = errno == EWOULDBLOCK ? nil : fail()
                close(file)
                if let error { throw error }
                return nil
            }
            // Its last holder may have removed it between our opening and locking it.
            if fstat(file, &facts.0) == 0, stat(path, &facts.1) == 0, facts.0.st_ino == facts.1.st_ino, facts.0.st_dev == facts.1.st_dev {
                (self.path, descriptor) = (path, file)
                break
            }
            close(file)
        }
        Unfinished.add(path)
        var system = utsname()
        uname(&system)
        let host = withUnsafeBytes(of: system.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let holder = "process \(getpid()) on \(host) since \(Date.now.formatted(.iso8601))\n"
        // Only for messages, so it may fail.
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, holder, holder.utf8.count, 0)
    }

    deinit {
        unlink(path)
        Unfinished.forget(path)
        close(descriptor)
    }

    /// As it wrote itself down.
    static func holder(of path: String) -> String {
        let text = (try? readText(path).trimmingCharacters(in: .whitespacesAndNewlines)) ?? ""
        return text.isEmpty ? "another process" : text
    }
}
