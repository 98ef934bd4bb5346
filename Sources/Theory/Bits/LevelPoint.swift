// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A point of the two-linear-layer model with b-bit activations (Theory.md B): step size α, the target's α*.
package struct LevelPoint: Sendable {
    package let point: TwoLayerPoint
    package let bits: Int
    package let alpha: Double
    package let alphaStar: Double

    package init(point: TwoLayerPoint, bits: Int, alpha: Double, alphaStar: Double) {
        (self.point, self.bits, self.alpha, self.alphaStar) = (point, bits, alpha, alphaStar)
    }

    package func moments(_ formulas: BitsFormulas) -> LevelMoments {
        LevelMoments(bits: bits, alpha: alpha, normW: point.normW, theta: point.theta, alphaStar: alphaStar, formulas)
    }
}

/// What the b-bit theory gives a formula for.
package enum LevelQuantity: Hashable, Sendable {
    case loss, gradientV, gradientW, gradientAlpha
    case coarse(Proxy)
    case coarseAlpha(StepSizeRule)

    package static let all: [LevelQuantity] =
        [.loss, .gradientV, .gradientW, .gradientAlpha] + Proxy.allCases.map { .coarse($0) }
        + StepSizeRule.allCases.map { .coarseAlpha($0) }

    package var name: String {
        switch self {
        case .loss: "loss"
        case .gradientV: "∂f/∂v"
        case .gradientW: "∂f/∂w"
        case .gradientAlpha: "∂f/∂α"
        case .coarse(let proxy): "E g, \(proxy.rawValue)"
        case .coarseAlpha(let rule): "E g_α, \(rule.rawValue)"
        }
    }
}

/// f and all gradients from the moments and the scalars of v and v*: `A = (1ᵀv)² − ‖v‖²`, `B = ‖v‖²`, `S = (1ᵀv)(1ᵀv*) − c`.
package struct LevelForms: Sendable {
    package let moments: LevelMoments
    package let cross: Double
    private let a, b, s, c, aStar, bStar: Double

    package init(_ moments: LevelMoments, v: [Double], vStar: [Double], cross: Double? = nil) {
        self.moments = moments
        self.cross = cross ?? moments.cross
        let sum = v.reduce(0, +), sumStar = vStar.reduce(0, +)
        (b, bStar, c) = (dot(v, v), dot(vStar, vStar), dot(v, vStar))
        (a, aStar, s) = (sum * sum - b, sumStar * sumStar - bStar, sum * sumStar - c)
    }

    /// `½[Aμ² + BM − 2(Sμμ* + cC) + A*μ*² + B*M*]`.
    package var loss: Double {
        let x = moments
        let own = a * x.mean * x.mean + b * x.square, target = aStar * x.meanStar * x.meanStar + bStar * x.squareStar
        return (own - 2 * (s * x.mean * x.meanStar + c * cross) + target) / 2
    }

    /// ∂f/∂‖w‖ or ∂f/∂α.
    package func slope(_ variable: LevelMoments.Variable) -> Double {
        let x = moments.slopes(variable, cross: cross)
        return x.mean * (a * moments.mean - s * moments.meanStar) + b * x.square / 2 - c * x.cross
    }

    /// ∂f/∂w·p̂ = `−c (sin θ ∂C/∂γ)/‖w‖`.
    package var turn: Double { -c * moments.crossTurn / moments.normW }

    /// E g·u and E g·p̂.
    package func coarse(_ proxy: Proxy) -> (radial: Double, turn: Double) {
        let x = moments.coarse(proxy)
        return (combined((x.first, x.own, x.target)), -c * x.q)
    }

    package func coarse(_ rule: StepSizeRule) -> Double { combined(moments.stepSize(rule, cross: cross)) }

    /// `(Aμ − Sμ*) E s + B E sσ − c E sσ*` for a coarse derivative s.
    package func combined(_ x: (first: Double, own: Double, target: Double)) -> Double {
        x.first * (a * moments.mean - s * moments.meanStar) + b * x.own - c * x.target
    }

    /// `((M − μ²)I + μ²J)v − ((C − μμ*)I + μμ*J)v*`.
    package func gradientV(_ v: [Double], _ vStar: [Double]) -> [Double] {
        let x = moments, own = x.square - x.mean * x.mean, both = cross - x.mean * x.meanStar
        let common = x.mean * (x.mean * v.reduce(0, +) - x.meanStar * vStar.reduce(0, +))
        return zip(v, vStar).map { own * $0 - both * $1 + common }
    }
}

extension LevelMoments {
    /// The v that minimises f for v*.
    package func bestV(_ vStar: [Double], cross: Double) -> [Double] {
        let own = square - mean * mean, both = cross - mean * meanStar
        let right = vStar.map { both * $0 + mean * meanStar * vStar.reduce(0, +) }
        let common = mean * mean / (own + Double(vStar.count) * mean * mean) * right.reduce(0, +)
        return right.map { ($0 - common) / own }
    }
}

extension LevelPoint {
    package func value(_ quantity: LevelQuantity, _ formulas: BitsFormulas) -> [Double] {
        let forms = LevelForms(moments(formulas), v: point.v, vStar: point.vStar)
        func inPlane(_ radial: Double, _ turn: Double) -> [Double] { added(scaled(point.u, by: radial), turn, point.tangent) }
        switch quantity {
        case .loss: return [forms.loss]
        case .gradientV: return forms.gradientV(point.v, point.vStar)
        case .gradientW: return inPlane(forms.slope(.length), forms.turn)
        case .gradientAlpha: return [forms.slope(.stepSize)]
        case .coarse(let proxy):
            let (radial, turn) = forms.coarse(proxy)
            return inPlane(radial, turn)
        case .coarseAlpha(let rule): return [forms.coarse(rule)]
        }
    }
}
