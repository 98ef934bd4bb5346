// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A3.
    static let lemma5 = Claim(
        id: "lemma-5", group: .literature,
        statement:
            "‖E g_relu‖² ≤ A‖v‖²‖d‖² + B‖w‖⟨E g_relu, ∂f/∂w⟩, d = ∂f/∂v, with the sharp A = 2(1+τ₀)/π, B = √(π/2), τ₀ = 2(π−2)²/(π² − "
            + "2(π−2)²)",
        printed:
            "if ‖v‖ ≤ C_v and ‖w‖ ≥ c_w, there is an A that depends on C_v and c_w only, with ‖E g_relu‖² ≤ A(‖d‖² + ⟨E g_relu, ∂f/∂w⟩)",
        proof: .ours, source: "Yin et al. ICLR 2019, lemma 5, second part; repaired here",
        method:
            "the ratio at d = 0 for growing ‖w‖; the repaired bound attacked by the sweep and minimiser over v, v*, w, w*, and over (θ, "
            + "v/v*) at m = 1, where d ∥ v; B × 0.99 and A × 0.95 must fall",
        faults: [
            Fault("B × 0.99") { $0.literature.relu.b *= 0.99 },
            Fault("A × 0.95") { $0.literature.relu.a *= 0.95 },
            Fault("A × 0.8") { $0.literature.relu.a *= 0.8 },
            Fault("E g / √‖w‖") { theory in
                theory.terms = { point, quantity in
                    point.terms(quantity).map { term in
                        var term = term
                        if quantity == .coarseReLU { term.coefficient /= point.normW.squareRoot() }
                        return term
                    }
                }
            }
        ],
        argument: LiteratureProofs.lemma5
    ) { settings, _, formulas in
        var evidence = Evidence()
        let growth = [1.0, 10, 100, 1000].map { unboundedRatio(normW: $0, formulas) }
        if growth.allSatisfy({ $0.isFinite }), growth[3] > 100 * growth[0] {
            evidence.counterexample =
                "d = 0, θ = π/2, v* = (1, 1): ratios \(growth.map(format).joined(separator: ", ")) at ‖w‖ = 1, 10, 100, 1000, with ‖v‖ "
                + "the same"
        }
        let bound = formulas.literature.relu
        let found = try adversarialMinimum(settings) { -boundRatio(.coarseReLU, at: $0, a: bound.a, b: bound.b * $0.normW, formulas) }
        func alone(_ a: Double, _ b: Double) throws -> Double { try worstAlone(a: bound.a * a, b: bound.b * b, formulas) }
        let worst = max(-found.value, try alone(1, 1)), smallerB = try alone(1, 0.99), smallerA = try alone(0.95, 1)
        evidence.expect(worst <= 1 + 1e-9, "the ratio reaches \(String(format: "%.6f", worst))")
        evidence.expect(
            smallerB > 1 && smallerA > 1, "the constants are not sharp: B × 0.99 gives \(format(smallerB)), A × 0.95 \(format(smallerA))")
        evidence.summary = String(
            format: "A = %.5f, B = %.5f: largest ratio found %.6f; with B × 0.99 %.4f, with A × 0.95 %.4f", bound.a, bound.b, worst,
            smallerB, smallerA)
        evidence.catches = "B too small by 1 %, A by 5 %"
        return evidence
    }
}

/// `‖E g‖²/(a‖v‖²‖d‖² + b⟨E g, ∂f/∂w⟩)`; 0 where both sides are rounding noise, as at a critical point, where they vanish together.
func boundRatio(_ quantity: Quantity, at point: TwoLayerPoint, a: Double, b: Double, _ formulas: Formulas) -> Double {
    let g = formulas.value(quantity, at: point), d = formulas.value(.gradientV, at: point)
    let right = a * dot(point.v, point.v) * dot(d, d) + b * dot(g, formulas.value(.gradientW, at: point))
    let scale = dot(point.v, point.v) + dot(point.vStar, point.vStar) + point.sumV * point.sumV
    if dot(g, g) <= 1e-20 * scale * scale { return 0 }
    return right > 0 ? dot(g, g) / right : .infinity
}

/// The printed bound's ratio at d = 0, θ = π/2, v* = (1, 1), where `c = s²/(m+1)`: `√(π/2)‖w‖`.
private func unboundedRatio(normW: Double, _ formulas: Formulas) -> Double {
    let v = CriticalPoints(vStar: [1, 1]).stationaryV(theta: .pi / 2)
    return boundRatio(.coarseReLU, at: TwoLayerPoint(v: v, vStar: [1, 1], w: [0, normW], wStar: [1, 0]), a: 1, b: 1, formulas)
}

/// The largest ratio over θ and v/v* at m = 1: there d ∥ v, so Cauchy–Schwarz's inequality is an equality and nothing is lost.
private func worstAlone(a: Double, b: Double, _ formulas: Formulas) throws -> Double {
    func ratio(_ theta: Double, _ share: Double) -> Double {
        boundRatio(.coarseReLU, at: TwoLayerPoint(v: [share], vStar: [1], w: [cos(theta), sin(theta)], wStar: [1, 0]), a: a, b: b, formulas)
    }
    var best = (value: 0.0, theta: 0.0, share: 0.0)
    for i in 1..<100 {
        let theta = Double.pi * Double(i) / 100
        for j in -40...40 where j != 0 {
            let share = Double(j) / 20, value = ratio(theta, share)
            if value > best.value { best = (value, theta, share) }
        }
    }
    let refined = try minimize(from: [best.theta, best.share], step: 0.02, iterations: 400) { x in
        x[0] > 1e-3 && x[0] < .pi - 1e-3 ? -ratio(x[0], x[1]) : 0
    }
    return max(best.value, -refined.value)
}
