// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// One step of coarse gradient descent, w not normalised, and the exact change of the loss without cancellation (Theory.md A5):
/// `Δf = −η‖d‖² + (η²/8) dᵀ(I+J)d + (c − η dᵀv*) Δθ/(2π)`, `d = ∂f/∂v`, `c = vᵀv*`.
///
/// Only the plane of w and w* matters, so w is given by θ and ‖w‖.
struct CoarseStep {
    let rate: Double
    let theta: Double
    let overlap: Double
    /// d.
    let slope: [Double]
    /// q of `E g = ā u − c q p̂`.
    let q: Double
    /// `r' = ‖w‖ − ηā`: w's part along u after the step.
    let kept: Double
    /// Δθ.
    let turn: Double
    let change: Double
    /// `v*ᵀ(I − (η/8)(I+J))⁻¹v*`; what S2 uses.
    private let stretched: Double
    private let m: Double

    /// - Parameter kept: `r'` in place of ‖w‖ (then ‖w‖ = r' + ηā; for proxies whose ā does not depend on ‖w‖).
    init(v: [Double], vStar: [Double], theta: Double, normW: Double? = nil, kept: Double? = nil, rate: Double, proxy: Proxy) {
        let sum = v.reduce(0, +), s = vStar.reduce(0, +), k = 1 - 2 * theta / .pi, c = dot(v, vStar), square = dot(v, v)
        let d = zip(v, vStar).map { ($0 + sum - k * $1 - s) / 4 }
        let direction = proxy.direction(
            h: square + sum * sum - sum * s + c, squareV: square, overlap: c, theta: theta, normW: normW ?? 1)
        let kept = kept ?? ((normW ?? 1) - rate * direction.radial)
        let delta = atan2(rate * c * direction.q, kept)
        let turn = theta < delta ? delta - 2 * theta : theta - delta > .pi ? 2 * .pi - 2 * theta + delta : -delta
        let sumD = d.reduce(0, +)
        change = -rate * dot(d, d) + rate * rate / 8 * (dot(d, d) + sumD * sumD) + (c - rate * dot(d, vStar)) * turn / (2 * .pi)
        m = Double(v.count)
        stretched = (dot(vStar, vStar) - s * s / m) / (1 - rate / 8) + s * s / m / (1 - rate * (m + 1) / 8)
        (self.rate, self.theta, overlap, slope, q, self.kept, self.turn) = (rate, theta, c, d, direction.q, kept, turn)
    }

    /// The change is rounded at 1e-16 of this.
    var scale: Double { rate * dot(slope, slope) + abs(overlap * turn) }

    /// η(m+1) < 8, `(S1) r' > 0 and η|c|q ≤ 2r' sin θ`, `(S2) η²q·v*ᵀ(I − (η/8)(I+J))⁻¹v* ≤ 8πr'`: then f does not rise.
    func isSafe(_ condition: StepCondition) -> Bool {
        rate * (m + 1) < 8 && kept > 0 && rate * abs(overlap) * q <= condition.overshoot * kept * sin(theta)
            && rate * rate * q * stretched <= condition.discriminant * kept
    }

    /// The `r'` at which S1 is an equality, relative to sin θ, and that of S2.
    func criticalKept(_ condition: StepCondition) -> (s1: Double, s2: Double) {
        (rate * abs(overlap) * q / (condition.overshoot * sin(theta)), rate * rate * q * stretched / condition.discriminant)
    }
}

/// The two constants of the step-size condition.
public struct StepCondition: Sendable {
    /// S1's 2.
    var overshoot = 2.0
    /// S2's 8π.
    var discriminant = 8 * Double.pi
}

/// The step size under which f falls for ever while ‖w‖ ≥ c_w (Theory.md A5): `η = min{4/(m+1), c_w/(2Γ)}`.
struct SafeRate {
    /// `C_v² = max(‖v₀⊥‖², ‖v*⊥‖²) + max((1ᵀv₀)², s²)/m`, at least ‖v*‖²; ⊥: orthogonal to 1. ‖v‖ ≤ C_v for ever.
    let limitV: Double
    /// `Γ = C_v[(m+1)C_v + (m+3/2)‖v*‖]/(2√(2π))`; identity: `C_v(C_v + 1.5‖v*‖)/√(2π)`.
    let gamma: Double
    private let m: Double

    init(_ start: ReducedDescent) {
        m = start.m
        let across = max(start.squareV - start.sumV * start.sumV / m, start.squareTarget - start.s * start.s / m)
        let along = max(start.sumV * start.sumV, start.s * start.s) / m
        limitV = max(across + along, start.squareTarget).squareRoot()
        let target = start.squareTarget.squareRoot(), density = normalDensity(0)
        gamma =
            start.proxy == .identity
            ? limitV * (limitV + 1.5 * target) * density : limitV * ((m + 1) * limitV + (m + 1.5) * target) * density / 2
    }

    func rate(lengthAbove limit: Double) -> Double { min(4 / (m + 1), limit / (2 * gamma)) }
}
