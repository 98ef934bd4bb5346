// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A4.
    static let lemma7 = Claim(
        id: "lemma-7", group: .literature,
        statement:
            "clipped ReLU: E g = (2p₀vᵀd + cD)u − cq p̂, D = p₀(1−θ/π) − p, |D| ≤ (2/π)q; so ‖E g‖² ≤ 8p₀²‖v‖²‖d‖² + (1+8/π²)q²c² ≤ "
            + "(4/π)‖v‖²‖d‖² + (1+8/π²)⟨E g, ∂f/∂w⟩, with no bound on ‖w‖",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019, lemma 7 (constants not given); made explicit here",
        method:
            "the identity at the points of the sweep; |D|/q on a grid over θ and ‖w‖, and for every indicator 1{ψ < t} of which ξ is a "
            + "mixture; both bounds attacked by the sweep, a grid near θ = 0 and the minimiser",
        faults: [
            Fault("2/π → 0.6") { $0.literature.tangentShare = 0.6 },
            Fault("8/π² dropped") { $0.literature.rest = 0 },
            Fault("clipped ReLU: p × 1.01", Formulas.theory.scaling(.coarseClipped, term: 1, by: 1.01))
        ],
        argument: LiteratureProofs.lemma7
    ) { settings, _, formulas in
        var evidence = Evidence()
        let identity = try sweep(settings) { identityError($0, formulas) }.map(\.value).reduce(0, worse)
        // Sums of dozens of products, rounded at 1e-16.
        evidence.expect(identity < 1e-12, "the identity of E g is off by \(format(identity))")
        let share = largestShare(), indicators = largestIndicatorShare(), stated = formulas.literature.tangentShare
        evidence.expect(
            share <= stated * (1 + 1e-9) && indicators <= stated * (1 + 1e-9), "|D|/q reaches \(format(max(share, indicators)))")
        evidence.expect(share > 0.99 * stated, "|D|/q reaches only \(format(share)): 2/π is not sharp")
        let rest = 1 + formulas.literature.rest
        let local = try largestRatio(settings) { localBoundRatio($0, rest: rest, formulas) }
        let universal = try largestRatio(settings) { boundRatio(.coarseClipped, at: $0, a: 4 / .pi, b: rest, formulas) }
        evidence.expect(local <= 1 + 1e-9, "the bound with q² is exceeded by \(format(local - 1))")
        evidence.expect(universal <= 1 + 1e-9, "the bound free of ‖w‖ is exceeded: ratio \(format(universal))")
        evidence.summary = String(
            format:
                "identity to %.1e; largest |D|/q: %.7f of 2/π, for the indicators %.7f; largest ratios: %.6f of the bound with q², %.3f "
                + "of the one free of ‖w‖",
            identity, share * .pi / 2, indicators * .pi / 2, local, universal)
        evidence.catches = "2/π too small by 1e-4; a ratio above 1 + 1e-9"
        return evidence
    }
}

private func identityError(_ point: TwoLayerPoint, _ formulas: Formulas) -> Double {
    let moments = ClippedMoments(point), d = formulas.value(.gradientV, at: point)
    let radial = 2 * moments.p0 * dot(point.v, d) + point.overlap * (moments.p0 * (1 - point.theta / .pi) - moments.p)
    let expected = added(scaled(point.u, by: radial), -point.overlap * moments.q, point.tangent)
    let scale = dot(point.v, point.v) + dot(point.vStar, point.vStar) + point.sumV * point.sumV + point.sumVStar * point.sumVStar
    return norm(added(formulas.value(.coarseClipped, at: point), -1, expected)) / scale
}

/// `‖E g‖²/(8p₀²‖v‖²‖d‖² + (1+8/π²)q²c²)`.
private func localBoundRatio(_ point: TwoLayerPoint, rest: Double, _ formulas: Formulas) -> Double {
    let moments = ClippedMoments(point)
    let qc = moments.q * point.overlap, product = dot(formulas.value(.coarseClipped, at: point), formulas.value(.gradientW, at: point))
    // p₀(1−θ/π) − p is rounded at 1e-16: below this q it would have fewer than nine digits.
    guard product > 0, moments.q > 1e-7 else { return 0 }
    return boundRatio(.coarseClipped, at: point, a: 8 * moments.p0 * moments.p0, b: rest * qc * qc / product, formulas)
}

/// Over the sweep, the minimiser, and d = 0 with m = 1, θ from 1e-4 and ‖w‖ from 1e-2, where |D|/q is near 2/π.
private func largestRatio(_ settings: VerificationSettings, _ ratio: @escaping @Sendable (TwoLayerPoint) -> Double) throws -> Double {
    var largest = -(try adversarialMinimum(settings) { -ratio($0) }).value
    for i in 0...40 {
        for j in 0...40 {
            let theta = pow(10, -4 + 4 * Double(i) / 40), normW = pow(10, -2 + 3 * Double(j) / 40)
            let v = CriticalPoints(vStar: [1]).stationaryV(theta: theta)
            largest = worse(largest, ratio(TwoLayerPoint(v: v, vStar: [1], w: [normW * cos(theta), normW * sin(theta)], wStar: [1, 0])))
        }
    }
    return largest
}

/// sup |D|/q over a grid of θ from 1e-5 and ‖w‖ from 1e-2; by the symmetry θ → π − θ of both, up to π/2.
private func largestShare() -> Double {
    var largest = 0.0
    for i in 0...400 {
        for j in 0...200 {
            let theta = Double.pi / 2 * pow(10, -4.8 * Double(i) / 400)
            let moments = ClippedMoments(theta: theta, normW: pow(10, -2 + 4 * Double(j) / 200))
            largest = worse(largest, abs(moments.p0 * (1 - theta / .pi) - moments.p) / moments.q)
        }
    }
    return largest
}

/// The same with the indicator `1{ψ < t}` in place of ξ, where the integrals are elementary.
private func largestIndicatorShare() -> Double {
    var largest = 0.0
    for i in 1..<400 {
        let theta = Double.pi * Double(i) / 400, near = min(theta, .pi - theta)
        for j in 1...200 {
            let t = Double.pi / 2 * Double(j) / 200
            let p0 = (1 - cos(t)) / .pi, q = sin(min(t, near)) / (2 * .pi)
            let p = theta <= .pi / 2 ? (1 - cos(t) + max(0, cos(theta) - cos(t))) / (2 * .pi) : (1 - cos(min(t, near))) / (2 * .pi)
            largest = worse(largest, abs(p0 * (1 - theta / .pi) - p) / q)
        }
    }
    return largest
}
