// SPDX-License-Identifier: GPL-3.0-or-later

/// The middle one of the values, of an even number the mean of the middle two; NaN of none.
public func median(_ values: [Double]) -> Double {
    let sorted = values.sorted(), middle = sorted.count / 2
    guard !sorted.isEmpty else { return .nan }
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
