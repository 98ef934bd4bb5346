// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// The reference of `ClippedMoments`: the integrals of the clipped ReLU's coarse gradient (METHOD.md item 4; Yin et al. ICLR 2019):
/// `p(θ,w) = (1/2π) ∫_{−π/2+θ}^{π/2} cos φ · ξ(sec φ/‖w‖) dφ`, `q` the same with `sin φ`, and `p0 = p(0,w)`.
struct ClippedIntegrals {
    var p: Double
    var q: Double
    let p0: Double

    /// - Throws: `StatisticsError` when quadrature (relative error 1e-11) fails.
    init(theta: Double, normW: Double) throws {
        func integral(from start: Double, _ weight: (Double) -> Double) throws -> Double {
            try integrate(from: start, to: .pi / 2, absolute: 0) { weight($0) * Self.xi(1 / (cos($0) * normW)) } / (2 * .pi)
        }
        p0 = try integral(from: -.pi / 2, cos)
        p = try integral(from: -.pi / 2 + theta, cos)
        // The integrand is odd: over [−π/2+θ, π/2−θ] it cancels, which leaves [|π/2−θ|, π/2] and no rounding near θ = 0.
        q = try integral(from: abs(.pi / 2 - theta), sin)
    }

    /// `ξ(x) = ∫₀ˣ r² e^{−r²/2} dr = √(π/2) erf(x/√2) − x e^{−x²/2}`, from its series where that cancels.
    static func xi(_ x: Double) -> Double {
        if x < 0.3 {  // x³/3 − x⁵/10 + x⁷/56 − …; the first term left out is below 1e-12 of the sum
            let y = x * x
            return x * y * (1.0 / 3 - y * (1.0 / 10 - y * (1.0 / 56 - y * (1.0 / 432 - y * (1.0 / 4224 - y / 49920)))))
        }
        if x > 40 { return (Double.pi / 2).squareRoot() }
        return (Double.pi / 2).squareRoot() * erf(x / 2.0.squareRoot()) - x * exp(-x * x / 2)
    }
}
