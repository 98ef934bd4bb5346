// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The repaired statements' formulas and constants (Theory.md A), which `--power` breaks one at a time.
public struct LiteratureFormulas: Sendable {
    /// A1: the losses at the critical points.
    var landscape: @Sendable (CriticalPoints) -> LossLandscape = { LossLandscape($0) }
    /// A2: the local Lipschitz constant of ∂f/∂w, and the global one of ∂f/∂v on ‖w‖ ≥ c_w.
    var lipschitzW: @Sendable (TwoLayerPoint) -> Double = { $0.lipschitzW }
    var lipschitzV: @Sendable (_ vStar: [Double], _ shortest: Double) throws -> Double = { try sharpLipschitzV($0, shortest: $1) }
    /// A3: `‖E g_relu‖² ≤ A‖v‖²‖d‖² + B‖w‖⟨E g_relu, ∂f/∂w⟩`.
    var relu = SharpBound.relu
    /// A4: `|D| ≤ tangentShare · q`, and the coefficient `1 + rest` of `⟨E g, ∂f/∂w⟩`.
    var tangentShare = 2 / Double.pi
    var rest = 8 / (Double.pi * Double.pi)
    /// A5.
    var step = StepCondition()
    /// A factor on A5's uniform step size.
    var rateFactor = 1.0
    /// A6: κ, how often c may change its sign, and a factor on the start's ‖v₀‖²/√(2π).
    var kappa: @Sendable (_ theta: Double) -> Double = { 1 - 2 * $0 / .pi - cos($0) }
    var mostSignChanges = 2
    var collapseScale = 1.0
    /// A7: R₊ has s·1ᵀv ≤ basinFactor·s²; whether the start keeps ‖w‖ ≥ c_w by ‖v₀‖² + 4ηf₀.
    var basinFactor = 1.0
    var keepsLength = true
    /// A10: the sign of the sampled g.
    var sampledSign = 1.0
}

/// The best pair of constants for Lemma 5's second part: `A = 2(1+τ₀)/π`, `B = √(π/2)`, `τ₀ = 2(π−2)²/(π² − 2(π−2)²)`.
public struct SharpBound: Sendable {
    var a: Double
    var b: Double

    static var relu: SharpBound {
        let gap = 2 * (Double.pi - 2) * (Double.pi - 2)
        return SharpBound(a: 2 * (1 + gap / (.pi * .pi - gap)) / .pi, b: (Double.pi / 2).squareRoot())
    }
}
