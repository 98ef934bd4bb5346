// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// A share of images in percent with its exact 95 % interval.
public struct Percent: Sendable {
    public let value: Double
    public let interval: Interval
    public var text: String { String(format: "%.2f %% [%.2f, %.2f]", value, interval.low, interval.high) }
    var fields: [String] { [value, interval.low, interval.high].map { String(format: "%.4f", $0) } }

    public init(_ count: Int, of total: Int) {
        let share = clopperPearson(successes: count, trials: total, level: 0.95)
        value = 100 * Double(count) / Double(total)
        interval = Interval(low: 100 * share.low, high: 100 * share.high)
    }
}
