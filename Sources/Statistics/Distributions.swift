// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Foundation

/// Tail probabilities and quantiles (GSL). Every tail is an upper one, computed directly and so exact far out.
public enum Distribution {
    /// `P(N(0,1) > x)`.
    public static func normalTail(_ x: Double) -> Double { gsl_cdf_ugaussian_Q(x) }
    /// The `x` with `P(N(0,1) > x) = tail`, `0 < tail < 1`.
    public static func normalQuantile(tail: Double) -> Double { gsl_cdf_ugaussian_Qinv(tail) }
    /// `P(t > x)` with `df` degrees of freedom.
    public static func studentTail(_ x: Double, df: Double) -> Double { gsl_cdf_tdist_Q(x, df) }
    /// The `x` with `P(t > x) = tail`.
    public static func studentQuantile(tail: Double, df: Double) -> Double { gsl_cdf_tdist_Qinv(tail, df) }
    /// `P(χ² > x)`.
    public static func chiSquareTail(_ x: Double, df: Double) -> Double { gsl_cdf_chisq_Q(x, df) }
    /// `P(F > x)`.
    public static func fTail(_ x: Double, df1: Double, df2: Double) -> Double { gsl_cdf_fdist_Q(x, df1, df2) }
    /// The `x` with `P(F > x) = tail`, by bisection: GSL's inverse fails for small tails with many degrees of freedom.
    public static func fQuantile(tail: Double, df1: Double, df2: Double) -> Double {
        precondition(tail > 0 && tail < 1)
        var (low, high) = (0.0, 1.0)
        while fTail(high, df1: df1, df2: df2) > tail { (low, high) = (high, 2 * high) }
        while high - low > 1e-13 * high {
            let middle = (low + high) / 2
            if middle == low || middle == high { break }
            if fTail(middle, df1: df1, df2: df2) > tail { low = middle } else { high = middle }
        }
        return high
    }

    /// `P(F′ > x)` of the noncentral F distribution with noncentrality `λ ≥ 0`: the Poisson(λ/2) mixture of beta tails
    /// `Σ_j Poisson(j; λ/2) · P(Beta(df1/2 + j, df2/2) > y)`, `y = df1 x / (df1 x + df2)`.
    public static func noncentralFTail(_ x: Double, df1: Double, df2: Double, noncentrality: Double) -> Double {
        precondition(x >= 0 && noncentrality >= 0)
        let mean = noncentrality / 2, spread = 12 * mean.squareRoot() + 30  // beyond it the Poisson weights are < 1e-16
        let y = df1 * x / (df1 * x + df2)
        var tail = 0.0
        for j in Int(max(0, mean - spread))...Int(mean + spread) {
            let logWeight = mean == 0 ? (j == 0 ? 0 : -Double.infinity) : Double(j) * log(mean) - mean - lgamma(Double(j) + 1)
            tail += exp(logWeight) * gsl_cdf_beta_Q(y, df1 / 2 + Double(j), df2 / 2)
        }
        return min(tail, 1)
    }
}
