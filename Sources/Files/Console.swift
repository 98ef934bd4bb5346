// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Says something on standard error. Where that cannot be written (closed, a full disk, a terminal that went away) it is not
/// said: hours of training must not end with their progress bar.
public func note(_ text: String) { writeToStandardError(text + "\n") }

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
