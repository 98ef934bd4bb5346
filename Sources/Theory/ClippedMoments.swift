// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The moments of the clipped ReLU's coarse gradient (METHOD.md item 4; Yin et al. ICLR 2019) in closed form; the papers have them as
/// integrals over the angle. With `T = 1/‖w‖`, φ and Φ the normal density and distribution function:
/// `q = (sin θ/√(2π)) [Φ(T/sin θ) − ½]`, `p = 1/(2√(2π)) − φ(T) Φ(T cot θ) + (cos θ/√(2π)) [Φ(T/sin θ) − ½]`, `p0 = p(0,w) = φ(0) − φ(T)`.
public struct ClippedMoments: Sendable {
    public var p: Double
    public var q: Double
    public let p0: Double

    /// θ in [0, π], `normW` > 0.
    public init(theta: Double, normW: Double) {
        let t = 1 / normW, sine = sin(theta)
        let strip = normalMiddle(t / sine)
        p0 = -normalDensity(0) * expm1(-t * t / 2)
        // Φ as ½ and the rest: p is of the size of T² where ‖w‖ is large.
        p = p0 / 2 - normalDensity(t) * normalMiddle(t * cos(theta) / sine) + cos(theta) * normalDensity(0) * strip
        q = sine * normalDensity(0) * strip
    }

    package init(_ point: TwoLayerPoint) { self.init(theta: point.theta, normW: point.normW) }
}

/// φ(x) of N(0,1).
package func normalDensity(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
/// Φ(x).
package func normalCumulative(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }
/// Φ(x) − ½, without cancellation near 0.
package func normalMiddle(_ x: Double) -> Double { erf(x / 2.0.squareRoot()) / 2 }
