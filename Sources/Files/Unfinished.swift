// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Synchronization

/// What the process has begun and must not leave behind when a signal ends it: tools that run, and temporary files and folders.
enum Unfinished {
    private struct Work {
        /// Process, and whether it leads a process group of its own.
        var tools: [pid_t: Bool] = [:]
        var paths: Set<String> = []
    }

    private static let work = Mutex(Work())

    static func add(_ path: String) { work.withLock { _ = $0.paths.insert(path) } }
    static func forget(_ path: String) { work.withLock { _ = $0.paths.remove(path) } }

    /// Creates a file that must not be there yet, for writing; its descriptor, or −1 and errno.
    static func createFile(_ path: String, mode: mode_t) -> (descriptor: Int32, reason: Int32) {
        work.withLock { work in
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
            guard file >= 0 else { return (file, errno) }
            work.paths.insert(path)
            return (file, 0)
        }
    }

    /// - Parameter spawn: starts a tool; its process, or nil.
    static func start(ownGroup: Bool, _ spawn: () -> pid_t?) {
        work.withLock { work in
            if let tool = spawn() { work.tools[tool] = ownGroup }
        }
    }

    /// The status that waitpid(2) gives of a tool, nil while it runs, and errno when it cannot be had.
    static func status(of tool: pid_t) -> (status: Int32?, failure: Int32) {
        work.withLock { work in
            var status: Int32 = 0
            let ended = waitpid(tool, &status, WNOHANG)
            let failure = ended < 0 && errno != EINTR ? errno : 0
            if ended == tool || failure != 0 { work.tools[tool] = nil }
            return (ended == tool ? status : nil, failure)
        }
    }

    /// Ends the tools, removes the temporary files, says one line on standard error and ends the process, whatever its other
    /// threads are doing.
    static func endProgram(_ line: String, status: Int32) -> Never {
        for _ in 0..<100 {  // 2 s, should another thread hang in the file system
            let isDone: Void? = work.withLockIfAvailable { work in
                endAll(work.tools)
                // A file before the folder that holds it.
                for path in work.paths.sorted().reversed() { try? FileManager.default.removeItem(atPath: path) }
                sayLast(line)
                _exit(status)
            }
            if isDone == nil { usleep(20_000) }
        }
        sayLast(line)
        _exit(status)
    }

    /// Asks the tools to end, waits, and kills those that have not after 2 s.
    private static func endAll(_ tools: [pid_t: Bool]) {
        func send(_ signal: Int32, _ tool: pid_t) { kill(tools[tool] == true ? -tool : tool, signal) }
        for tool in tools.keys { send(SIGTERM, tool) }
        for tool in tools.keys { send(SIGCONT, tool) }  // one that was stopped would not end
        var left = Array(tools.keys), turns = 0
        while !left.isEmpty {
            left.removeAll { waitpid($0, nil, WNOHANG) != 0 }
            turns += 1
            if turns == 200 { left.forEach { send(SIGKILL, $0) } }
            if !left.isEmpty { usleep(10_000) }
        }
    }

    private static func sayLast(_ line: String) {
        // A pipe that nobody empties must not keep the process.
        var standardError = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&standardError, 1, 100) == 1 else { return }
        noteBesideBar(line)
    }
}
