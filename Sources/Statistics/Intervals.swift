// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// A two-sided confidence interval.
public struct Interval: Equatable, Sendable {
    public let low: Double
    public let high: Double
    public init(low: Double, high: Double) { (self.low, self.high) = (low, high) }
}

/// The exact (Clopper–Pearson 1934) interval of a binomial proportion, both ends in [0, 1].
///
/// The ends are beta quantiles: `low = B⁻¹(a/2; k, n−k+1)`, `high = B⁻¹(1−a/2; k+1, n−k)`, `a = 1 − level`;
/// `low = 0` at `k = 0` and `high = 1` at `k = n`.
public func clopperPearson(successes k: Int, trials n: Int, level: Double = 0.95) -> Interval {
    precondition(n > 0 && (0...n).contains(k) && level > 0 && level < 1)
    let tail = (1 - level) / 2
    let low = k == 0 ? 0 : bisect { gsl_cdf_beta_P($0, Double(k), Double(n - k + 1)) < tail }
    let high = k == n ? 1 : bisect { gsl_cdf_beta_Q($0, Double(k + 1), Double(n - k)) > tail }
    return Interval(low: low, high: high)
}

/// Where the condition turns from true to false on [0, 1], to the last bit.
///
/// GSL 2.7's own beta quantile does not converge for one count in 17 at n = 10⁴, and aborts the program; its
/// distribution function is sound and monotone.
private func bisect(_ isBelow: (Double) -> Bool) -> Double {
    var (low, high) = (0.0, 1.0)
    while true {
        let middle = low + (high - low) / 2
        guard middle > low && middle < high else { return middle }
        if isBelow(middle) { low = middle } else { high = middle }
    }
}

/// Student's interval of a mean from the values of `values.count ≥ 2` independent normal repetitions; nil without spread.
public func studentInterval(_ values: [Double], level: Double = 0.95) -> (mean: Double, interval: Interval?) {
    precondition(values.count > 1 && level > 0 && level < 1)
    let n = Double(values.count), mean = values.reduce(0, +) / n
    guard haveSpread(values) else { return (mean, nil) }
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let half = Distribution.studentQuantile(tail: (1 - level) / 2, df: n - 1) * (variance / n).squareRoot()
    return (mean, Interval(low: mean - half, high: mean + half))
}

/// Whether repetitions differ by more than rounding, 1e-12 of the largest. Equal ones tell nothing of how far others would lie from
/// them: measured on a grid (accuracies of n images), two of a few are often equal by chance, and Student's formulas then take
/// the spread for 0 and the mean for certain.
public func haveSpread(_ values: [Double]) -> Bool {
    guard let low = values.min(), let high = values.max() else { return false }
    return !(high - low <= 1e-12 * max(abs(low), abs(high)))
}
