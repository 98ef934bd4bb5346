// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Student's prediction interval: the mean of `newCount` further values lies in it with probability `level`, where those and
/// the `values.count ≥ 2` given ones are independent draws from one normal distribution:
/// `mean ± t_{n−1} s √(1/n + 1/newCount)`.
///
/// Values without spread (`haveSpread`) have none: nil.
/// At `newCount = 1` it is the interval for one new observation (Hahn and Meeker, Statistical Intervals, 1991, section 4.7).
public func predictionInterval(_ values: [Double], newCount: Int, level: Double) -> Interval? {
    precondition(values.count > 1 && newCount > 0 && level > 0 && level < 1)
    guard haveSpread(values) else { return nil }
    let moments = Moments(values)
    let half = Distribution.studentQuantile(tail: (1 - level) / 2, df: moments.count - 1) * moments.deviation(ofMeanOf: newCount)
    return Interval(low: moments.mean - half, high: moments.mean + half)
}

/// The two-sided test that belongs to `predictionInterval`: `p < 1 − level` just where the mean of `new` lies outside.
///
/// Values without spread (`haveSpread`) have no test: nil. A new value that is no number has p = 0.
public func predictionTest(_ values: [Double], new: [Double]) -> TestResult? {
    precondition(values.count > 1 && !new.isEmpty)
    guard haveSpread(values) else { return nil }
    let moments = Moments(values), difference = new.reduce(0, +) / Double(new.count) - moments.mean
    guard difference != 0 else { return TestResult(statistic: 0, pValue: 1) }
    let t = difference / moments.deviation(ofMeanOf: new.count)
    return TestResult(statistic: t, pValue: t.isFinite ? 2 * Distribution.studentTail(abs(t), df: moments.count - 1) : 0)
}

private struct Moments {
    let count, mean, variance: Double

    init(_ values: [Double]) {
        let n = Double(values.count), mean = values.reduce(0, +) / n
        (count, self.mean) = (n, mean)
        variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    }

    /// Of the mean of so many new values minus the mean of these.
    func deviation(ofMeanOf new: Int) -> Double { (variance * (1 / count + 1 / Double(new))).squareRoot() }
}

/// Anderson and Darling's test that `values.count ≥ 8` values are draws from a normal distribution of unknown mean and
/// variance. The statistic is A² as modified for the estimated parameters, `A²(1 + 0.75/n + 2.25/n²)`; the probability is
/// D'Agostino and Stephens's fit (Goodness-of-fit techniques, 1986, table 4.9).
public func andersonDarlingNormality(_ values: [Double]) -> TestResult {
    precondition(values.count >= 8)
    let moments = Moments(values), n = values.count
    guard haveSpread(values), moments.variance > 0 else { return TestResult(statistic: .infinity, pValue: 0) }
    let z = values.sorted().map { ($0 - moments.mean) / moments.variance.squareRoot() }
    let sum = z.indices.reduce(0.0) { sum, i in
        sum + Double(2 * i + 1) * (log(Distribution.normalTail(-z[i])) + log(Distribution.normalTail(z[n - 1 - i])))
    }
    let a = (-Double(n) - sum / Double(n)) * (1 + 0.75 / Double(n) + 2.25 / Double(n * n))
    let p =
        switch a {
        case 150...: 0.0  // below 1e-180; beyond 153 the fit rises again
        case 0.6...: exp(1.2937 - 5.709 * a + 0.0186 * a * a)
        case 0.34..<0.6: exp(0.9177 - 4.279 * a - 1.38 * a * a)
        case 0.2..<0.34: 1 - exp(-8.318 + 42.796 * a - 59.938 * a * a)
        default: 1 - exp(-13.436 + 101.14 * a - 223.73 * a * a)
        }
    return TestResult(statistic: a, pValue: min(max(p, 0), 1))
}
