// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// What the model's theory gives a formula for (METHOD.md part 3, items 1–5).
public enum Quantity: String, CaseIterable, Sendable {
    case loss
    case gradientV = "gradient-v"
    case gradientW = "gradient-w"
    case coarseReLU = "coarse-relu"
    case coarseClipped = "coarse-clipped"
    case coarseIdentity = "coarse-identity"
    case correlationReLU = "correlation-relu"
    case correlationClipped = "correlation-clipped"
    case correlationIdentity = "correlation-identity"
}

/// One summand of a formula: a coefficient times a vector of the model (`one` for scalars).
public struct Term: Sendable {
    public enum Vector: Sendable { case one, v, vStar, ones, u, wStar, tangent }
    public let name: String
    public var coefficient: Double
    public let vector: Vector

    init(_ name: String, _ coefficient: Double, _ vector: Vector = .one) {
        (self.name, self.coefficient, self.vector) = (name, coefficient, vector)
    }
}

/// The closed forms, each as the list of its terms, so that a check can break one term at a time.
///
/// The two coarse gradients that METHOD.md writes with `e = (u + w*)/‖u + w*‖` are written here without the
/// quotients that become 0/0 at θ = 0 and π: `‖u + w*‖ = 2 cos(θ/2)` gives `cos(θ/2) e = ½ (u + w*)` and
/// `q/sin(θ/2) e − q cot(θ/2) u = q p̂`.
extension TwoLayerPoint {
    public func terms(_ quantity: Quantity) -> [Term] {
        switch quantity {
        case .loss: lossTerms
        case .gradientV: gradientVTerms
        case .gradientW: gradientWTerms
        case .coarseReLU: coarseReLUTerms
        case .coarseClipped: coarseClippedTerms(ClippedMoments(self))
        case .coarseIdentity: coarseIdentityTerms
        case .correlationReLU: [Term("sin θ (vᵀv*)²/(2(2π)^{3/2}‖w‖)", sin(theta) * overlap * overlap / (2 * pow(2 * .pi, 1.5) * normW))]
        case .correlationClipped: correlationClippedTerms(ClippedMoments(self))
        case .correlationIdentity: [Term("sin θ (vᵀv*)²/((2π)^{3/2}‖w‖)", sin(theta) * overlap * overlap / (pow(2 * .pi, 1.5) * normW))]
        }
    }

    /// The formula's value: a scalar as one entry, else m or n entries.
    public func value(_ quantity: Quantity) -> [Double] { sum(terms(quantity)) }

    /// Item 1: `f = ⅛ [vᵀ(I+J)v − 2vᵀ((1 − 2θ/π)I + J)v* + v*ᵀ(I+J)v*]`, `J = 11ᵀ`.
    var lossTerms: [Term] {
        [
            Term("⅛‖v‖²", dot(v, v) / 8), Term("⅛(1ᵀv)²", sumV * sumV / 8),
            Term("−¼(1 − 2θ/π)vᵀv*", -(1 - 2 * theta / .pi) * overlap / 4), Term("−¼(1ᵀv)s", -sumV * sumVStar / 4),
            Term("⅛‖v*‖²", dot(vStar, vStar) / 8), Term("⅛s²", sumVStar * sumVStar / 8)
        ]
    }

    /// Item 2: `∂f/∂v = ¼(I+J)v − ¼((1 − 2θ/π)I + J)v*`.
    var gradientVTerms: [Term] {
        [
            Term("¼v", 1.0 / 4, .v), Term("¼Jv", sumV / 4, .ones),
            Term("−¼(1 − 2θ/π)v*", -(1 - 2 * theta / .pi) / 4, .vStar), Term("−¼Jv*", -sumVStar / 4, .ones)
        ]
    }

    /// Item 3, for 0 < θ < π: `∂f/∂w = −(vᵀv*)/(2π‖w‖) p̂`.
    var gradientWTerms: [Term] { [Term("−vᵀv*/(2π‖w‖) p̂", -overlap / (2 * .pi * normW), .tangent)] }

    /// Item 4, μ′ = 1{x>0}: `E g = h/(2√(2π)) u − cos(θ/2)(vᵀv*)/√(2π) e`.
    var coarseReLUTerms: [Term] {
        let root = (2 * Double.pi).squareRoot()
        return [
            Term("h/(2√(2π)) u", h / (2 * root), .u), Term("−½vᵀv*/√(2π) u", -overlap / (2 * root), .u),
            Term("−½vᵀv*/√(2π) w*", -overlap / (2 * root), .wStar)
        ]
    }

    /// Item 4, μ′ = 1{0<x<1}: `E g = ½p(0,w)h u − vᵀv* p(θ,w) u − vᵀv* q(θ,w) p̂`.
    func coarseClippedTerms(_ moments: ClippedMoments) -> [Term] {
        [
            Term("½p(0,w)h u", moments.p0 * h / 2, .u), Term("−vᵀv* p(θ,w) u", -overlap * moments.p, .u),
            Term("−vᵀv* q(θ,w) p̂", -overlap * moments.q, .tangent)
        ]
    }

    /// Item 4, μ′ = 1: `E g = (‖v‖² u − (vᵀv*) w*)/√(2π)`.
    var coarseIdentityTerms: [Term] {
        let root = (2 * Double.pi).squareRoot()
        return [Term("‖v‖²/√(2π) u", dot(v, v) / root, .u), Term("−vᵀv*/√(2π) w*", -overlap / root, .wStar)]
    }

    /// Item 5 for the clipped ReLU: `⟨E g, ∂f/∂w⟩ = q(θ,w)(vᵀv*)²/(2π‖w‖)`.
    func correlationClippedTerms(_ moments: ClippedMoments) -> [Term] {
        [Term("q(θ,w)(vᵀv*)²/(2π‖w‖)", moments.q * overlap * overlap / (2 * .pi * normW))]
    }

    /// Item 6: `A` and `B` of `‖E g_relu‖² ≤ A‖∂f/∂v‖² + B⟨E g_relu, ∂f/∂w⟩`.
    public var boundConstants: (a: Double, b: Double) {
        (4 * dot(v, v) / .pi, 2 * (2 * Double.pi).squareRoot() * (1.0 / 4 + 2 / (.pi * .pi)) * normW)
    }

    /// Adds up terms of one formula.
    public func sum(_ terms: [Term]) -> [Double] {
        var total: [Double] = []
        for term in terms {
            let vector: [Double] =
                switch term.vector {
                case .one: [1]
                case .v: v
                case .vStar: vStar
                case .ones: [Double](repeating: 1, count: m)
                case .u: u
                case .wStar: wStar
                case .tangent: tangent
                }
            total = total.isEmpty ? scaled(vector, by: term.coefficient) : added(total, term.coefficient, vector)
        }
        return total
    }
}
