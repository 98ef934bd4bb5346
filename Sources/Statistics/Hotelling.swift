// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Mean vector and covariance matrix of `count` independent, (nearly) normal vectors of dimension d.
public struct SampleMoments: Sendable {
    public let count: Int
    /// d entries.
    public let mean: [Double]
    /// Unbiased covariance of one vector, d×d.
    public let covariance: Matrix

    public init(count: Int, mean: [Double], covariance: Matrix) {
        precondition(count > 1 && covariance.rows == mean.count && covariance.columns == mean.count)
        (self.count, self.mean, self.covariance) = (count, mean, covariance)
    }

    public var dimension: Int { mean.count }

    /// The part with the given indices.
    public subscript(range: Range<Int>) -> SampleMoments {
        SampleMoments(
            count: count, mean: Array(mean[range]),
            covariance: Matrix(rows: range.count, columns: range.count) {
                covariance[range.lowerBound + $0, range.lowerBound + $1]
            })
    }

    /// The moments of `A x` for a k×d matrix `A`.
    public func mapped(by a: Matrix) -> SampleMoments {
        SampleMoments(count: count, mean: a * mean, covariance: a * covariance * a.transposed)
    }

    /// Standard error of entry `i` of the mean.
    public func standardError(_ i: Int) -> Double { (covariance[i, i] / Double(count)).squareRoot() }
}

/// Hotelling's one-sample test (Ann. Math. Statist. 2, 1931) of `mean = expected`:
/// `T² = K (x̄ − μ)ᵀ S⁻¹ (x̄ − μ)`, with `(K − d)/(d (K − 1)) · T² ~ F(d, K − d)`.
///
/// - Throws: `StatisticsError` when there are not more vectors than dimensions or the covariance is singular.
public func hotellingTest(_ sample: SampleMoments, expected: [Double]) throws -> TestResult {
    precondition(expected.count == sample.dimension)
    let difference = zip(sample.mean, expected).map { $0 - $1 }
    let t2 = Double(sample.count) * (try sample.mahalanobis(difference))
    let (d, k) = (Double(sample.dimension), Double(sample.count))
    return TestResult(
        statistic: t2, pValue: Distribution.fTail((k - d) / (d * (k - 1)) * t2, df1: d, df2: k - d))
}

extension SampleMoments {
    /// `xᵀ S⁻¹ x`.
    /// - Throws: as `hotellingTest`.
    public func mahalanobis(_ x: [Double]) throws -> Double {
        guard count > dimension else {
            throw StatisticsError("Hotelling's test needs more than \(dimension) blocks of samples, found \(count): raise --samples")
        }
        do {
            return zip(x, try covariance.solvedPositive(x)).reduce(0) { $0 + $1.0 * $1.1 }
        } catch {
            throw StatisticsError("the covariance cannot be inverted: use more samples, or drop constant entries (\(error))")
        }
    }

    /// The smallest ε for which a true mean `expected + ε·direction` is rejected by `hotellingTest` at level `alpha`
    /// with probability `power`: `ε = √(λ / (K directionᵀ S⁻¹ direction))`, λ the noncentrality that gives that power.
    public func detectableMultiple(of direction: [Double], alpha: Double, power: Double) throws -> Double {
        let lambda = hotellingNoncentrality(dimension: dimension, count: count, alpha: alpha, power: power)
        return (lambda / (Double(count) * (try mahalanobis(direction)))).squareRoot()
    }
}

/// The noncentrality `λ` with which Hotelling's test of level `alpha` rejects with probability `power` (bisection).
public func hotellingNoncentrality(dimension: Int, count: Int, alpha: Double, power: Double) -> Double {
    precondition(count > dimension && alpha > 0 && alpha < power && power < 1)
    let (d1, d2) = (Double(dimension), Double(count - dimension))
    let critical = Distribution.fQuantile(tail: alpha, df1: d1, df2: d2)
    func reached(_ lambda: Double) -> Bool {
        Distribution.noncentralFTail(critical, df1: d1, df2: d2, noncentrality: lambda) >= power
    }
    var (low, high) = (0.0, 1.0)
    while !reached(high) { (low, high) = (high, 2 * high) }
    while high - low > 1e-6 * high {
        let middle = (low + high) / 2
        if reached(middle) { high = middle } else { low = middle }
    }
    return high
}
