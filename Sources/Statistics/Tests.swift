// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Foundation

/// A test's outcome: the statistic and the probability of one at least as extreme under the hypothesis.
public struct TestResult: Equatable, Sendable {
    public let statistic: Double
    public let pValue: Double
    public init(statistic: Double, pValue: Double) { (self.statistic, self.pValue) = (statistic, pValue) }
}

/// Two-sided test that an estimate with a known (or very large-sample) standard error has the expected value.
public func zTest(estimate: Double, standardError: Double, expected: Double) -> TestResult {
    let z = (estimate - expected) / standardError
    return TestResult(statistic: z, pValue: 2 * Distribution.normalTail(abs(z)))
}

/// Student's two-sided test that the mean of `values.count ≥ 2` independent normal repetitions is `expected`; of the
/// differences of pairs it is the paired test.
///
/// Values without spread (`haveSpread`) have no test: nil.
public func tTest(_ values: [Double], expected: Double = 0) -> TestResult? {
    precondition(values.count > 1)
    guard haveSpread(values) else { return nil }
    let n = Double(values.count), mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    guard mean != expected else { return TestResult(statistic: 0, pValue: 1) }
    let t = (mean - expected) / (variance / n).squareRoot()
    return TestResult(statistic: t, pValue: t.isFinite ? 2 * Distribution.studentTail(abs(t), df: n - 1) : 0)
}

/// Pearson's χ² test of counts against expected counts (same length k, expected > 0), k − 1 − `fitted` degrees of freedom.
public func chiSquareTest(observed: [Int], expected: [Double], fitted: Int = 0) -> TestResult {
    precondition(observed.count == expected.count && observed.count > fitted + 1 && expected.allSatisfy { $0 > 0 })
    let statistic = zip(observed, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) / $1.1 }
    return TestResult(
        statistic: statistic, pValue: Distribution.chiSquareTail(statistic, df: Double(observed.count - 1 - fitted)))
}

/// McNemar's exact test of two classifiers on the same items, from the numbers of items that only the first
/// and only the second gets right: two-sided binomial(b + c, ½). The statistic is `min(b, c)`.
public func mcNemarExact(onlyFirst b: Int, onlySecond c: Int) -> TestResult {
    precondition(b >= 0 && c >= 0)
    let few = min(b, c)
    guard b + c > 0 else { return TestResult(statistic: 0, pValue: 1) }
    let tail = gsl_cdf_binomial_P(UInt32(few), 0.5, UInt32(b + c))
    return TestResult(statistic: Double(few), pValue: min(1, 2 * tail))
}

/// Holm's step-down adjustment (Scand. J. Statist. 6, 1979): rejecting where the adjusted value is below the level
/// keeps the probability of any false rejection below it, whatever the dependence. Same order as `pValues`. One that is no number
/// counts as 0: a test that could not be computed must not pass, nor hide others.
public func holmAdjusted(_ pValues: [Double]) -> [Double] {
    let pValues = pValues.map { $0.isNaN ? 0 : $0 }
    var adjusted = pValues
    var running = 0.0
    for (rank, index) in pValues.indices.sorted(by: { pValues[$0] < pValues[$1] }).enumerated() {
        running = max(running, min(1, Double(pValues.count - rank) * pValues[index]))
        adjusted[index] = running
    }
    return adjusted
}
