// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// What a finished tool left behind.
package struct ToolResult {
    /// The exit status, or 128 + the signal that ended the tool.
    package let status: Int32
    package let output: String
    /// What it wrote to standard error.
    package let errors: String
    /// The last line of `errors`, or the status where there is none.
    package let complaint: String
}

/// Runs a tool found on PATH to its end, in the C locale and with nothing to read but `input`.
///
/// Not Foundation's `Process`: that always puts the tool into a process group of its own, so that Ctrl-C
/// would leave a download running behind the caller's back.
/// - Parameters:
///   - debianPackage: the Debian package that holds the tool, for the message.
///   - outlivesInterrupt: whether Ctrl-C leaves the tool alone, for short work that the caller's clean stop still needs.
///   - input: what it reads from standard input; what it leaves unread is lost.
///   - whileRunning: called about 50 times a second.
/// - Throws: `FileError` when the tool cannot be started.
package func runTool(
    _ tool: String, _ arguments: [String], package debianPackage: String, outlivesInterrupt: Bool = false, input: [UInt8] = [],
    whileRunning: () -> Void = {}
) throws -> ToolResult {
    let (output, errors) = (try scratchFile(), try scratchFile())
    defer { [output, errors].forEach { close($0) } }
    // Through a pipe: a file would need room on a disk, and input can be a whole data set.
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw FileError("cannot open a pipe to \(tool): \(systemReason())") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    let given = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    // Before the tool, which would wait for it. A tool that reads no further says so by its status.
    if input.isEmpty {
        try? given.close()
    } else {
        try startThread("tool input") {
            try? given.write(contentsOf: input)
            try? given.close()
        }
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Signals as a shell would hand them on: `startProgram` blocks some and ignores others.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGPIPE, SIGXFSZ] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let group = outlivesInterrupt ? POSIX_SPAWN_SETPGROUP : 0
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group))

    let environment = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C"]) { _, new in new }
    let words = cStrings([tool] + arguments)
    let variables = cStrings(environment.map { "\($0)=\($1)" })
    defer { (words + variables).forEach { free($0) } }
    var child = pid_t()
    var failure: Int32 = 0
    Unfinished.start(ownGroup: outlivesInterrupt) {
        failure = posix_spawnp(&child, tool, &actions, &attributes, words, variables)
        return failure == 0 ? child : nil
    }
    guard failure == 0 else {
        let hint = failure == ENOENT ? "; install it with `apt-get install \(debianPackage)`" : ""
        throw FileError("cannot run \(tool): \(String(cString: strerror(failure)))\(hint)")
    }

    let status = try wait(for: child, tool, whileRunning)
    let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    // Ctrl-C reached us as well: our own end is to be about that, and not about the tool.
    if [SIGINT, SIGTERM, SIGHUP].contains(code - 128) { usleep(200_000) }
    let errorText = text(of: errors)
    let lastLine = errorText.split(separator: "\n").last.map(String.init)
    return ToolResult(
        status: code, output: text(of: output), errors: errorText, complaint: lastLine ?? "\(tool) ended with status \(code)")
}

private func wait(for child: pid_t, _ tool: String, _ whileRunning: () -> Void) throws -> Int32 {
    while true {
        let (status, failure) = Unfinished.status(of: child)
        guard failure == 0 else { throw FileError("cannot wait for \(tool): \(String(cString: strerror(failure)))") }
        if let status { return status }
        whileRunning()
        usleep(20_000)
    }
}

/// An open file without a name, which therefore vanishes when it is closed.
private func scratchFile() throws -> Int32 {
    var template = Array((NSTemporaryDirectory() + "/bcgd-XXXXXX").utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else {
        throw FileError("cannot create a file in \(NSTemporaryDirectory()): \(systemReason())")
    }
    unlink(template)
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    return file
}

private func text(of file: Int32) -> String {
    lseek(file, 0, SEEK_SET)
    let data = try? FileHandle(fileDescriptor: file, closeOnDealloc: false).readToEnd()
    return String(decoding: data ?? Data(), as: UTF8.self)
}

/// Copies for the caller to free, with the null at the end that C wants.
private func cStrings(_ strings: [String]) -> [UnsafeMutablePointer<CChar>?] { strings.map { strdup($0) } + [nil] }
