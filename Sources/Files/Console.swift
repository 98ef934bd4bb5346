// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Says something on standard error. Where that cannot be written (closed, a full disk, a terminal that went away) it is not
/// said: hours of training must not end with their progress bar.
public func note(_ text: String) { writeToStandardError(text + "\n") }

/// The same where a progress bar may stand on the terminal's last line.
func noteBesideBar(_ text: String) { note((isatty(STDERR_FILENO) == 1 ? "\n" : "") + text) }

/// The same without a line end, for progress bars.
public func writeToStandardError(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
        let step = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        if step < 0 && errno == EINTR { continue }
        guard step > 0 else { return }
        bytes = bytes.dropFirst(step)
    }
}

/// Whether standard error is a terminal on which a line can be drawn again: TERM is set, and not `dumb`.
public func isDrawnOnStandardError() -> Bool {
    isatty(STDERR_FILENO) == 1 && !["", "dumb"].contains(ProcessInfo.processInfo.environment["TERM"] ?? "")
}
