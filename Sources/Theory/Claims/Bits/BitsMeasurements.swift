// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Theory.md B against Monte Carlo.
extension Claim {
    static let bitsFormulas = Claim(
        id: "bits-formulas", group: .bits,
        statement:
            "b bits, learned α: f, ∂f/∂v, ∂f/∂w, ∂f/∂α, E g for three proxies and E g_α for six rules in closed form (bivariate normal "
            + "probabilities)",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019's model, extended to b bits; derived here",
        method:
            "six points, b = 1 … 4, m = 3, n = 4: 13 quantities each by Hotelling's T²; the true gradients by conditioning on the kinks "
            + "x_i = kα, which uses no formula",
        needs: [.bits],
        faults: [
            Fault("three-valued: 2^(b−1) → 2^(b−1) − 1") { theory in
                let middle = theory.bits.middle
                theory.bits.middle = { middle($0, $1) - ($0 == .threeValued ? 1 : 0) }
            },
            Fault("minimum: 1 → 1.05") { theory in
                let middle = theory.bits.middle
                theory.bits.middle = { middle($0, $1) * ($0 == .minimum ? 1.05 : 1) }
            },
            Fault("∂f/∂α without the moving thresholds") { $0.bits.movesThresholds = false },
            Fault("T → T − α/‖w‖") { $0.bits.clipEnd = { Double($0 - 1) * $1 / $2 } },
            Fault("E X μ′σ, E X μ′σ* without the edges of μ′") { $0.bits.edges = false }
        ],
        argument: BitsProofs.formulas
    ) { _, measurements, formulas in
        var evidence = Evidence()
        var pairs: [(SampleMoments, [Double])] = []
        for estimates in measurements.levels.prefix(Measurements.levelPoints.count) {
            let place = estimates.place
            for quantity in LevelQuantity.all {
                let (moments, expected) = estimates.testable(quantity, place.value(quantity, formulas.bits))
                evidence.tests.append(
                    ClaimTest(
                        label: "\(quantity.name), b = \(place.bits), α = \(place.alpha), θ = \(String(format: "%g", place.point.theta))",
                        result: try hotellingTest(moments, expected: expected)))
                pairs.append((moments, expected))
            }
        }
        let worst = evidence.tests.min { $0.result.pValue < $1.result.pValue }
        evidence.summary =
            "\(evidence.tests.count) comparisons, smallest p \(worst.map { format($0.result.pValue) } ?? "–") (\(worst?.label ?? ""))"
        let all = pairs
        evidence.detectable = { alpha, power in
            try all.map { try $0.0.detectableMultiple(of: $0.1, alpha: alpha, power: power) }.min() ?? .nan
        }
        return evidence
    }

    static let fullPositivity = Claim(
        id: "full-positivity", group: .bits,
        statement:
            "for b ≥ 2 the radial parts of E g and ∂f/∂w may oppose each other: at b = 2, α = α* = ‖w‖ = 1, θ = π/3, v = (2, 1), v* = "
            + "−5.658089·(1, −2), clipped ReLU, E g·u < 0 < ∂f/∂w·u, c = 0, so the cosine is −1",
        printed: "⟨E g, ∂f/∂w⟩ ≥ 0 (item 5) for b bits as for one", beyondOneBit: true, proof: .ours,
        source: "item 5 extended to b ≥ 2: nobody's theorem, but what the estimators are used for; refuted here",
        method:
            "E g·u and ∂f/∂w·u at the point by Monte Carlo, each against its formula and against 0; shares of negative products at random "
            + "points",
        needs: [.bits],
        faults: [
            Fault("E X μ′σ, E X μ′σ* without the edges of μ′") { $0.bits.edges = false },
            Fault("T → T − α/‖w‖") { $0.bits.clipEnd = { Double($0 - 1) * $1 / $2 } }
        ],
        argument: BitsProofs.fullPositivity
    ) { settings, measurements, formulas in
        var evidence = Evidence()
        let estimates = measurements.levels[Measurements.positivityIndex], place = estimates.place
        let along = Matrix(rows: 1, columns: place.point.n, entries: place.point.u)
        var scores: [Double] = [], parts: [String] = []
        for quantity in [LevelQuantity.coarse(.clipped), .gradientW] {
            let measured = estimates.moments(quantity).mapped(by: along), error = measured.standardError(0)
            let expected = dot(place.value(quantity, formulas.bits), place.point.u)
            evidence.tests.append(
                ClaimTest(label: "\(quantity.name)·u", result: zTest(estimate: measured.mean[0], standardError: error, expected: expected)))
            scores.append(measured.mean[0] / error)
            parts.append(String(format: "%@·u = %.4f ± %.4f (formula %.4f)", quantity.name, measured.mean[0], error, expected))
        }
        // Six standard errors each: 1e-9.
        if scores[0] < -6 && scores[1] > 6 {
            evidence.counterexample =
                "b = 2, α = α* = ‖w‖ = 1, θ = π/3, v = (2, 1), v* = −5.658089·(1, −2), clipped ReLU: " + parts.joined(separator: ", ")
        }
        evidence.summary = parts.joined(separator: ", ") + "; " + (try negativeShares(settings, formulas))
        evidence.catches = "a sign of either radial part"
        return evidence
    }

    static let stepSizeSign = Claim(
        id: "alpha-sign", group: .bits,
        statement:
            "with v optimal every rule but the a.e. one, whose E g_α is then 0, has the sign of ∂f/∂α wrong somewhere: at m = 1, b = 4, "
            + "v* = 1, α* = 0.1, α = 0.13, θ = 0.2, v = C/M, ∂f/∂α > 0 and the three-valued E g_α < 0",
        printed: "E g_α has the sign of ∂f/∂α for the three-valued rule", beyondOneBit: true, proof: .ours,
        source: "the purpose of Yin et al. 2019's coarse α-gradients, which claims no theorem; refuted here",
        method:
            "the six rules at the point by Monte Carlo against formula and 0; shares of wrong signs for each rule at random points with v "
            + "random and v optimal; maps over (θ, α/α*)",
        needs: [.bits],
        faults: [
            Fault("three-valued: 2^(b−1) → 2^(b−1) − 1") { theory in
                let middle = theory.bits.middle
                theory.bits.middle = { middle($0, $1) - ($0 == .threeValued ? 1 : 0) }
            },
            Fault("∂f/∂α without the moving thresholds") { $0.bits.movesThresholds = false },
            Fault("T → T − α/‖w‖") { $0.bits.clipEnd = { Double($0 - 1) * $1 / $2 } }
        ],
        argument: BitsProofs.stepSizeSign
    ) { settings, measurements, formulas in
        var evidence = Evidence()
        let estimates = measurements.levels[Measurements.signIndex], place = estimates.place
        var parts: [String] = [], scores: [LevelQuantity: Double] = [:]
        for quantity in [.gradientAlpha] + StepSizeRule.allCases.map({ LevelQuantity.coarseAlpha($0) }) {
            let measured = estimates.moments(quantity), error = measured.standardError(0)
            let expected = place.value(quantity, formulas.bits)[0]
            evidence.tests.append(
                ClaimTest(label: quantity.name, result: zTest(estimate: measured.mean[0], standardError: error, expected: expected)))
            scores[quantity] = measured.mean[0] / error
            parts.append(String(format: "%@ %+.5f ± %.5f (formula %+.5f)", quantity.name, measured.mean[0], error, expected))
        }
        if scores[.gradientAlpha]! > 6 && scores[.coarseAlpha(.threeValued)]! < -6 {
            evidence.counterexample =
                "m = 1, b = 4, v* = 1, α* = 0.1, α = 0.13, θ = 0.2, v = C/M: " + parts.prefix(2).joined(separator: ", ")
        }
        let (shares, table) = try wrongSigns(settings, formulas)
        for (k, rule) in StepSizeRule.allCases.enumerated() where rule != .almostEverywhere {
            let isWrong = table.blocks.joined().contains { $0[1] == 1 && $0[2] == Double(k) && $0[3] > 0 }  // optimal, rule, share
            evidence.expect(isWrong, "with v optimal \(rule.rawValue) has no sign wrong")
        }
        evidence.summary = parts.joined(separator: ", ") + "; wrong signs, v random / optimal: " + shares
        evidence.catches = "the sign of any of the seven"
        evidence.tables = [table, try signMap(settings, formulas)]
        return evidence
    }
}

extension Measurements {
    /// The points of `bits-formulas`: (b, α, ‖w‖, θ, α*). Kα/‖w‖ ≤ 3, so that saturation is no rare event.
    static let levelPoints: [(bits: Int, alpha: Double, normW: Double, theta: Double, alphaStar: Double)] = [
        (1, 0.8, 1.3, 1.0, 1.1), (2, 0.5, 1.2, 0.8, 0.6), (2, 0.6, 0.6, 2.3, 0.4), (3, 0.35, 0.9, 1.4, 0.3),
        (4, 0.15, 1, 0.5, 0.12), (4, 0.16, 0.8, 1.9, 0.1)
    ]
    static let positivityIndex = levelPoints.count
    static let signIndex = levelPoints.count + 1

    static func levels(_ settings: VerificationSettings) throws -> [LevelEstimates] {
        let sampler = MonteCarlo(seed: settings.seed, threads: settings.threads, collective: settings.collective)
        func plane(_ theta: Double, _ normW: Double) -> [Double] { scaled([cos(theta), 0.6 * sin(theta), 0.8 * sin(theta), 0], by: normW) }
        var places = levelPoints.enumerated().map { index, x in
            var stream = Purpose.bits.stream(settings.seed, index)
            let point = TwoLayerPoint(v: stream.normals(3), vStar: stream.normals(3), w: plane(x.theta, x.normW), wStar: [1, 0, 0, 0])
            return LevelPoint(point: point, bits: x.bits, alpha: x.alpha, alphaStar: x.alphaStar)
        }
        func place(_ bits: Int, _ alpha: Double, _ alphaStar: Double, _ theta: Double, v: [Double], vStar: [Double]) -> LevelPoint {
            let point = TwoLayerPoint(v: v, vStar: vStar, w: plane(theta, 1), wStar: [1, 0, 0, 0])
            return LevelPoint(point: point, bits: bits, alpha: alpha, alphaStar: alphaStar)
        }
        places.append(place(2, 1, 1, .pi / 3, v: [2, 1], vStar: [-5.658089, 2 * 5.658089]))
        let moments = LevelMoments(bits: 4, alpha: 0.13, normW: 1, theta: 0.2, alphaStar: 0.1)
        places.append(place(4, 0.13, 0.1, 0.2, v: [moments.cross / moments.square], vStar: [1]))
        return try places.enumerated().map { index, place in
            // The counterexamples need eight million samples to be beyond doubt.
            let samples = index < levelPoints.count ? settings.samples : max(settings.samples, 1 << 23)
            return try sampler.estimate(place, samples: samples, experiment: Purpose.bits.experiment(index))
        }
    }
}
