// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A9.
    static let remark2 = Claim(
        id: "remark-2", group: .literature,
        statement:
            "rows Z_i = R_iω_i, R_i > 0, the directions ω_i independent of each other and of the radii: f, ∂f/∂v and ∂f/∂w stay; E g "
            + "of ReLU and identity × E R/E χ_n; clipped ReLU: ξ(x) → E[ρ 1{ρ ≤ x}], ρ the length of the projection "
            + "on a plane, and still |D| ≤ (2/π)q",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019, remark 2 (rotation-invariant rows); completed here",
        method:
            "m = 3, n = 5, θ = 1.1, ‖w‖ = 0.7; normal, Student t₅, sphere, and t₅ with one radius for all rows, drawn in the Monte Carlo "
            + "pass: Hotelling T² of f, ∂f/∂v and the three coarse gradients; |D|/q on a grid",
        needs: [.rows],
        faults: [
            Fault("factor E R/E χ_n dropped") { $0.rows.radiusFactor = { _, _ in 1 } },
            Fault("Gaussian ξ under t₅") { theory in
                theory.rows.moments = { law, point in
                    try (law == .student ? .gaussian : law).moments(theta: point.theta, normW: point.normW, n: point.n)
                }
            }
        ],
        argument: LiteratureProofs.remark2
    ) { _, measurements, formulas in
        var evidence = Evidence()
        var detectable: [(SampleMoments, [Double])] = []
        for (law, estimates) in measurements.rows {
            for quantity in [Quantity.loss, .gradientV, .coarseReLU, .coarseClipped, .coarseIdentity] {
                let expected = try formulas.rows.value(quantity, at: estimates.point, law: law, formulas)
                evidence.tests.append(
                    ClaimTest(label: "\(quantity.rawValue), \(law.rawValue)", result: try estimates.test(quantity, expected: expected)))
                if law != .gaussian && quantity != .loss && quantity != .gradientV {
                    detectable.append((estimates.moments(quantity), expected))
                }
            }
        }
        let share = try largestShare(n: 5)
        evidence.expect(share <= 2 / .pi * (1 + 1e-6), "|D|/q reaches \(format(share * .pi / 2)) of 2/π")
        let factors = RowLaw.allCases.map { String(format: "%.4f", $0.radiusFactor(5)) }
        evidence.summary =
            "\(evidence.tests.count) comparisons; E R/E χ₅ = \(factors.joined(separator: ", ")); largest |D|/q with t₅ and the sphere "
            + "\(String(format: "%.4f", share * .pi / 2)) of 2/π"
        let pairs = detectable
        evidence.detectable = { alpha, power in
            try pairs.map { try $0.0.detectableMultiple(of: $0.1, alpha: alpha, power: power) }.min() ?? .nan
        }
        return evidence
    }
}

/// sup |D|/q over a grid of θ and ‖w‖ with Student's and the sphere's rows.
private func largestShare(n: Int) throws -> Double {
    var largest = 0.0
    for law in [RowLaw.student, .sphere] {
        for theta in [0.01, 0.1, 0.4, 0.9, 1.5, 2.2, 2.9] {
            for normW in [0.05, 0.3, 1, 4] {
                let (p, q, p0) = try law.moments(theta: theta, normW: normW, n: n)
                largest = worse(largest, abs(p0 * (1 - theta / .pi) - p) / q)
            }
        }
    }
    return largest
}

extension Measurements {
    /// Theory.md A9's point under every law.
    static func rows(_ settings: VerificationSettings) throws -> [(RowLaw, Estimates)] {
        let sampler = MonteCarlo(seed: settings.seed, threads: settings.threads, collective: settings.collective), theta = 1.1
        let point = TwoLayerPoint(
            v: [0.5, 1.1, -0.7], vStar: [1, -0.6, 0.8],
            w: scaled([cos(theta), 0.6 * sin(theta), 0.8 * sin(theta), 0, 0], by: 0.7), wStar: [1, 0, 0, 0, 0])
        return try RowLaw.allCases.enumerated().map { index, law in
            (law, try sampler.estimate(point, samples: settings.samples, experiment: Purpose.rows.experiment(index), law: law))
        }
    }
}
