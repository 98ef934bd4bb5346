// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// A two-sided confidence interval.
public struct Interval: Equatable, Sendable {
    public let low: Double
    public let high: Double
}

/// The exact (Clopper–Pearson 1934) interval of a binomial proportion, both ends in [0, 1].
///
/// The ends are beta quantiles: `low = B⁻¹(a/2; k, n−k+1)`, `high = B⁻¹(1−a/2; k+1, n−k)`, `a = 1 − level`;
/// `low = 0` at `k = 0` and `high = 1` at `k = n`.
public func clopperPearson(successes k: Int, trials n: Int, level: Double = 0.95) -> Interval {
    precondition(n > 0 && (0...n).contains(k) && level > 0 && level < 1)
    let tail = (1 - level) / 2
    let low = k == 0 ? 0 : gsl_cdf_beta_Pinv(tail, Double(k), Double(n - k + 1))
    let high = k == n ? 1 : gsl_cdf_beta_Qinv(tail, Double(k + 1), Double(n - k))
    return Interval(low: low, high: high)
}

/// Student's interval of a mean from the values of `values.count ≥ 2` independent normal repetitions.
public func studentInterval(_ values: [Double], level: Double = 0.95) -> (mean: Double, interval: Interval) {
    precondition(values.count > 1 && level > 0 && level < 1)
    let n = Double(values.count), mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let half = Distribution.studentQuantile(tail: (1 - level) / 2, df: n - 1) * (variance / n).squareRoot()
    return (mean, Interval(low: mean - half, high: mean + half))
}
