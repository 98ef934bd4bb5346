// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A point of the two-linear-layer model (METHOD.md part 3; Yin et al. 2019, section 2): hidden units m, inputs n,
/// output weights `v` and target `v*` (m each), input weights `w ≠ 0` and target `w*` (n each, `‖w*‖ = 1`).
///
/// Every quantity that the closed forms share is computed once, here.
public struct TwoLayerPoint: Sendable {
    public let v: [Double]
    public let vStar: [Double]
    public let w: [Double]
    public let wStar: [Double]

    public let normW: Double
    /// `u = w/‖w‖`.
    public let u: [Double]
    /// The angle between w and w*, in [0, π].
    public let theta: Double
    /// `p̂ = P w*/‖P w*‖`, `P = I − uuᵀ`; zero at θ = 0 and θ = π, where it does not exist.
    public let tangent: [Double]
    /// `vᵀv*`.
    public let overlap: Double
    /// `1ᵀv`.
    public let sumV: Double
    /// `s = 1ᵀv*`.
    public let sumVStar: Double
    /// `h = ‖v‖² + (1ᵀv)² − (1ᵀv)(1ᵀv*) + vᵀv*` (METHOD.md item 4).
    public let h: Double

    /// `wStar` is scaled to length 1.
    public init(v: [Double], vStar: [Double], w: [Double], wStar: [Double]) {
        precondition(v.count == vStar.count && w.count == wStar.count && v.count > 0 && w.count > 1)
        (self.v, self.vStar, self.w) = (v, vStar, w)
        self.wStar = scaled(wStar, by: 1 / norm(wStar))
        normW = norm(w)
        precondition(normW > 0 && normW.isFinite)
        u = scaled(w, by: 1 / normW)
        let minus = added(self.wStar, -1, u), plus = added(self.wStar, 1, u)
        theta = 2 * atan2(norm(minus), norm(plus))  // arccos would lose half the digits near 0 and π
        let short = theta < .pi / 2 ? minus : plus  // P w* = P (w* ∓ u), without cancellation
        let projected = added(short, -dot(u, short), u)
        let length = norm(projected)
        tangent = length > 0 ? scaled(projected, by: 1 / length) : projected
        overlap = dot(v, vStar)
        sumV = v.reduce(0, +)
        sumVStar = vStar.reduce(0, +)
        h = dot(v, v) + sumV * sumV - sumV * sumVStar + overlap
    }

    public var m: Int { v.count }
    public var n: Int { w.count }

    /// The same targets at other weights.
    public func moved(v: [Double], w: [Double]) -> TwoLayerPoint { TwoLayerPoint(v: v, vStar: vStar, w: w, wStar: wStar) }
}

// MARK: vectors as arrays

func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
}

func norm(_ a: [Double]) -> Double { dot(a, a).squareRoot() }

func scaled(_ a: [Double], by c: Double) -> [Double] { a.map { c * $0 } }

/// `a + c b`.
func added(_ a: [Double], _ c: Double, _ b: [Double]) -> [Double] {
    var sum = a
    for i in sum.indices { sum[i] += c * b[i] }
    return sum
}
