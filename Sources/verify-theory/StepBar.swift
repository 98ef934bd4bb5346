// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// The progress of a run in steps, on standard error: one redrawn line on a terminal, else a plain line every tenth.
struct StepBar {
    private let isTerminal = isDrawnOnStandardError()
    private let start = Date()
    private var tenth = -1

    mutating func show(_ done: Int, of total: Int, next: String) {
        let elapsed = String(format: "%.0f s", Date().timeIntervalSince(start))
        if isTerminal {
            let full = total == 0 ? 20 : 20 * done / total
            let bar = String(repeating: "#", count: full) + String(repeating: ".", count: 20 - full)
            writeToStandardError("\r[\(bar)] \(done)/\(total)  \(elapsed)  \(next.prefix(40))\u{1B}[K")
        } else if total > 0, 10 * done / total > tenth {
            tenth = 10 * done / total
            writeToStandardError("\(done)/\(total)  \(elapsed)  \(next)\n")
        }
    }

    func close() { if isTerminal { writeToStandardError("\r\u{1B}[K") } }
}
