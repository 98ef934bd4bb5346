// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A10.
    static let figure1 = Claim(
        id: "figure-1", group: .literature,
        statement:
            "the coarse gradient of N samples points uphill for the population loss in a share of instances that falls as N grows (m = 4, "
            + "n = 8, ReLU)",
        proof: .measured, source: "Yin et al. ICLR 2019, figure 1",
        method:
            "random v, v*, w, w*: ⟨g, ∂f/∂w⟩ < 0 counted in 12,000, 9000 and 1200 instances with N = 10, 50 and 1000 samples; the shares' "
            + "order by exact binomial intervals at 1 − 1e-8 each",
        faults: [Fault("the sign of g") { $0.literature.sampledSign = -1 }]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var intervals: [Interval] = [], parts: [String] = []
        for (index, design) in uphillDesigns.enumerated() {
            let uphill = try parallelMap(design.instances, threads: settings.threads) { instance in
                try pointsUphill(settings, design: index, instance: instance, formulas)
            }.count { $0 }
            let interval = clopperPearson(successes: uphill, trials: design.instances)
            intervals.append(clopperPearson(successes: uphill, trials: design.instances, level: 1 - 1e-8))
            parts.append(
                String(
                    format: "N = %d: %.1f %% [%.1f, %.1f]", design.samples, 100 * Double(uphill) / Double(design.instances),
                    100 * interval.low, 100 * interval.high))
        }
        for k in 1..<intervals.count {
            evidence.expect(
                intervals[k].high < intervals[k - 1].low,
                "the share does not fall from N = \(uphillDesigns[k - 1].samples) to \(uphillDesigns[k].samples)")
        }
        evidence.summary = "uphill (95 % Clopper–Pearson): " + parts.joined(separator: ", ")
        evidence.catches = "shares in another order"
        return evidence
    }
}

/// Shares near 36, 25 and 6 % then are ten standard errors apart and more, so that intervals at 1 − 1e-8 meet with probability 1e-20.
private let uphillDesigns: [(samples: Int, instances: Int)] = [(10, 12000), (50, 9000), (1000, 1200)]

private func pointsUphill(_ settings: VerificationSettings, design: Int, instance: Int, _ formulas: Formulas) throws -> Bool {
    let (m, n) = (4, 8), samples = uphillDesigns[design].samples
    var stream = Purpose.figure1.stream(settings.seed, design << 20 | instance)
    let point = TwoLayerPoint(v: stream.normals(m), vStar: stream.normals(m), w: stream.direction(n), wStar: stream.direction(n))
    let sampler = MonteCarlo(seed: settings.seed, threads: 1), lanes = MonteCarlo.lanes
    let z = try sampler.normals(
        samples: (samples + lanes - 1) / lanes * lanes, entries: m * n, experiment: Purpose.figure1.experiment(design << 20 | instance))
    var g = [Double](repeating: 0, count: n)
    for sample in 0..<samples {
        let rows = (0..<m).map { i in z[((sample * m + i) * n)..<((sample * m + i + 1) * n)].map(Double.init) }
        let on = rows.map { dot($0, point.w) > 0 }
        let r = (0..<m).reduce(0) { $0 + (on[$1] ? point.v[$1] : 0) - (dot(rows[$1], point.wStar) > 0 ? point.vStar[$1] : 0) }
        for i in 0..<m where on[i] { g = added(g, point.v[i] * r, rows[i]) }
    }
    return formulas.literature.sampledSign * dot(g, formulas.value(.gradientW, at: point)) < 0
}
