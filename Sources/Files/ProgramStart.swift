// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// To be called first thing in a program's `main`, while it has one thread: what holds for every program of the package.
///
/// - Standard streams that are closed are opened, so that no file of ours gets their numbers, and so that using them still fails.
/// - A pipe whose reader is gone and a limit on file sizes (SIGPIPE, SIGXFSZ) are errors of the write, not the process's end.
/// - Signals that ask it to stop: see `Signals`.
/// - A program that succeeds but whose standard output could not be written ends with one line and status 74 (EX_IOERR of
///   sysexits.h). Standard error is different: it may be lost.
public func startProgram() {
    for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) < 0 {
        _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    Signals.listen()
    // Registered first, so called last.
    on_exit(
        { status, _ in
            guard let reason = failureOfStandardOutput(closing: true) else { return }
            note(lostOutput(reason))
            _exit(status == 0 ? lostOutputStatus : status)
        }, nil)
}

/// - Throws: `FileError` for an argument that is not UTF-8, which Swift repairs: it would be another file's name.
public func expectTextArguments() throws {
    for index in 1..<max(1, Int(CommandLine.argc)) {
        guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
        throw FileError("expected arguments in UTF-8, found \(visible(String(cString: argument))) with other bytes: rename the file")
    }
}

/// As a user calls the program.
var programName: String { (CommandLine.arguments.first ?? "program").split(separator: "/").last.map(String.init) ?? "program" }
