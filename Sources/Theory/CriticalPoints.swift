// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The critical points of the population loss for targets v*, w* (METHOD.md item 7).
public struct CriticalPoints: Sendable {
    public let vStar: [Double]

    public init(vStar: [Double]) { self.vStar = vStar }

    private var m: Double { Double(vStar.count) }
    private var s: Double { vStar.reduce(0, +) }

    /// Whether the spurious minimum and the saddle exist: `s² < ½(m+1)‖v*‖²`.
    public var hasSpuriousMinimum: Bool { thresholdShare < 1 }

    /// `s²/(½(m+1)‖v*‖²)`: the spurious minimum exists below 1.
    var thresholdShare: Double { s * s / ((m + 1) / 2 * dot(vStar, vStar)) }

    /// `‖E g_id‖` at the spurious minimum with the identity proxy: item 4 with item 7's v is `2s²(m−1)/((m+1)²√(2π)) u`.
    var identityLength: Double { 2 * s * s * (m - 1) / ((m + 1) * (m + 1)) * normalDensity(0) }

    /// `v = (I+J)⁻¹(J − I)v*`, at θ = π; a minimum when `hasSpuriousMinimum`.
    public var spuriousV: [Double] { stationaryV(theta: .pi) }

    /// The saddle's angle `(π/2)(m+1)‖v*‖²/((m+1)‖v*‖² − s²)`, in (0, π) when `hasSpuriousMinimum`.
    public var saddleTheta: Double {
        let scale = (m + 1) * dot(vStar, vStar)
        return .pi / 2 * scale / (scale - s * s)
    }

    /// `a = s²/(m+1)`: the spurious minimum's condition is 2a < ‖v*‖².
    var a: Double { s * s / (m + 1) }

    /// `v = (I+J)⁻¹((1 − 2θ/π)I + J)v*`, where ∂f/∂v = 0; `(I+J)⁻¹ = I − J/(m+1)`.
    public func stationaryV(theta: Double) -> [Double] {
        let c = 1 - 2 * theta / .pi
        let x = vStar.map { c * $0 + s }
        let mean = x.reduce(0, +) / (m + 1)
        return x.map { $0 - mean }
    }
}

/// `min_v f` as a function of `k = 1 − 2θ/π`, and its values at the critical points (Theory.md A1); N = ‖v*‖².
public struct LossLandscape: Sendable {
    let square: Double
    let a: Double
    /// a/2.
    var spuriousLoss: Double

    init(_ critical: CriticalPoints) { self.init(square: dot(critical.vStar, critical.vStar), a: critical.a) }
    init(square: Double, a: Double) { (self.square, self.a, spuriousLoss) = (square, a, a / 2) }

    /// `φ(k) = (1−k)[(1+k)N + (1−k)a]/8`.
    func minimum(k: Double) -> Double { (1 - k) * ((1 + k) * square + (1 - k) * a) / 8 }
    /// `k_s = −a/(N−a)`, where φ is largest.
    var saddleK: Double { -a / (square - a) }
    /// `N²/(8(N−a))`.
    var saddleLoss: Double { square * square / (8 * (square - a)) }
    /// `(N−2a)²/(8(N−a))`.
    var barrier: Double { (square - 2 * a) * (square - 2 * a) / (8 * (square - a)) }
}
