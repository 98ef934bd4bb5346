// SPDX-License-Identifier: GPL-3.0-or-later

/// Wall-clock seconds of a run over all its sessions.
struct Stopwatch {
    private let start = ContinuousClock.now
    private let before: Double
    private var lastDue = ContinuousClock.now

    init(before: Double) { self.before = before }

    var seconds: Double { before + (ContinuousClock.now - start) / .seconds(1) }

    /// True once every so many seconds.
    mutating func isDue(every seconds: Double) -> Bool {
        guard ContinuousClock.now - lastDue >= .seconds(seconds) else { return false }
        lastDue = .now
        return true
    }
}
