// SPDX-License-Identifier: GPL-3.0-or-later
@preconcurrency import Glibc  // stdout is a variable there

/// Says something on standard output, at once. Where that cannot be written the program ends with one line and status 74: its
/// results would be lost.
public func say(_ text: String) {
    print(text)
    guard let reason = failureOfStandardOutput(closing: false) else { return }
    Unfinished.endProgram(lostOutput(reason), status: lostOutputStatus)
}

/// EX_IOERR of sysexits.h.
let lostOutputStatus: Int32 = 74

func lostOutput(_ reason: String) -> String { "\(programName): cannot write to standard output: \(reason)" }

/// Writes what is still held back of standard output; why that, or an earlier write, failed.
/// - Parameter closing: for the last time: some file systems tell only then.
func failureOfStandardOutput(closing: Bool) -> String? {
    let hasFailed = ferror(stdout) != 0
    if fflush(stdout) != 0 { return systemReason() }
    if hasFailed { return "not all of it was taken" }
    return closing && close(STDOUT_FILENO) != 0 ? systemReason() : nil
}
