// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Coarse gradient descent on the population loss (METHOD.md item 8).
extension Claim {
    static let normalizedDescent = Claim(
        id: "descent-normalized", group: .descent,
        statement:
            "normalised coarse gradient descent decreases f at every step and ends at the global minimum or, where it exists, the "
            + "spurious one",
        source: "METHOD.md item 8; Yin et al. 2019, convergence theorem",
        method:
            "η = 0.1, 384 random starts for each (m, n), θ0 in 12 equal bins, run until the limit is reached; targets within 2 % of the "
            + "spurious minimum's threshold, beside which descent is as slow as one likes, are drawn again (they are claim threshold's)",
        faults: [
            Fault("ReLU: w* term with the wrong sign", Formulas.theory.scaling(.coarseReLU, term: 2, by: -1)),
            Fault("∂f/∂v: (1 − 2θ/π)v* with the wrong sign", Formulas.theory.scaling(.gradientV, term: 2, by: -1)),
            Fault("∂f/∂v: (1 − 2θ/π)v* × 1.01", Formulas.theory.scaling(.gradientV, term: 2, by: 1.01))
        ]
    ) { settings, _, formulas in
        var evidence = Evidence()
        let bins = 12, perBin = 32
        var fractions = DataTable(name: "descent_fractions", columns: ["m", "n", "theta0", "global", "runs", "low95", "high95"], blocks: [])
        var parts: [String] = []
        var largestRise = 0.0
        for (index, size) in settings.dimensions.enumerated() {
            let ends = try parallelMap(bins * perBin, threads: settings.threads) { run -> DescentEnd in
                var stream = Purpose.descent.stream(settings.seed, index << 16 | run)
                return DescentEnd(&stream, size: size, theta: .pi * (Double(run % bins) + stream.uniform()) / Double(bins), formulas)
            }
            largestRise = worse(largestRise, ends.map(\.largestRise).worst)
            for fault in ends.compactMap(\.fault) where evidence.violations.count < 3 { evidence.violations.append("\(size): \(fault)") }
            fractions.blocks.append(
                (0..<bins).map { bin in
                    let global = stride(from: bin, to: ends.count, by: bins).count { ends[$0].isGlobal }
                    let interval = clopperPearson(successes: global, trials: perBin)
                    let center = .pi * (Double(bin) + 0.5) / Double(bins)
                    return [
                        Double(size.m), Double(size.n), center, Double(global) / Double(perBin), Double(perBin), interval.low, interval.high
                    ]
                })
            let global = ends.count(where: \.isGlobal)
            let interval = clopperPearson(successes: global, trials: ends.count)
            parts.append("\(size) \(percent(global, ends.count)) (\(percent(interval)))")
        }
        evidence.summary = "share ending at the global minimum: \(parts.joined(separator: ", ")); largest rise of f \(format(largestRise))"
        evidence.catches = "a rise of f above 1e-14 (m + 1); another limit"
        evidence.tables = [fractions, descentCurves(settings, formulas), phasePortrait(settings, formulas)]
        return evidence
    }

    static let collapse = Claim(
        id: "descent-collapse", group: .descent,
        statement:
            "without normalisation ‖w‖ can collapse, and from random starts with ‖w‖ = 1 f rose only at steps about as long as w "
            + "itself: η(|ā| + |b|) > 0.9‖w‖, E g = āu − b sin θ p̂. Beside a saddle with a tiny ‖w‖ it rises at shorter ones (S2 of "
            + "step-size)",
        proof: .measured, source: "METHOD.md item 8 (observed)",
        method: "m = 6, n = 8, v, v* normal, ‖w‖ = 1, 400 random starts for each of η = 0.1, 0.03, 0.01, total ηt = 60",
        faults: [
            Fault("ReLU: w* term with the wrong sign", Formulas.theory.scaling(.coarseReLU, term: 2, by: -1)),
            Fault("∂f/∂v with the wrong sign of Jv*", Formulas.theory.scaling(.gradientV, term: 3, by: -1))
        ]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var parts: [String] = []
        var curves = DataTable(name: "norm_collapse", columns: ["eta_t", "norm_w", "loss", "theta"], blocks: [])
        var smallestStep = Double.infinity
        for (index, rate) in [0.1, 0.03, 0.01].enumerated() {
            let runs = try parallelMap(400, threads: settings.threads) { run in
                // The same starts at every η.
                var stream = Purpose.collapse.stream(settings.seed, run)
                return FreeDescent(&stream, size: Dimensions(m: 6, n: 8), rate: rate, formulas, keepCurve: index == 2 && run < 8)
            }
            let collapsed = runs.count { $0.smallestNorm < 0.1 }, rose = runs.count { $0.largestRise > 1e-12 }
            smallestStep = min(smallestStep, runs.map(\.stepAtRise).min() ?? .infinity)
            parts.append(
                "η = \(rate): \(percent(collapsed, 400)) with ‖w‖ < 0.1, f rose in \(percent(rose, 400)) "
                    + "(\(percent(clopperPearson(successes: rose, trials: 400)))), by up to \(format(runs.map(\.largestRise).max() ?? 0))"
            )
            curves.blocks += runs.compactMap(\.curve)
            if collapsed == 0 { evidence.violations.append("no run collapsed at η = \(rate)") }
        }
        if smallestStep < 0.9 { evidence.violations.append("f rose at a step of \(format(smallestStep)) ‖w‖") }
        evidence.summary = parts.joined(separator: "; ") + "; smallest η(|ā| + |b|)/‖w‖ at a rise: \(String(format: "%.4f", smallestStep))"
        evidence.catches = "a rise of f above 1e-12 at shorter steps"
        evidence.tables = [curves]
        return evidence
    }

    static let identityLeaves = Claim(
        id: "identity-leaves", group: .descent,
        statement:
            "at the spurious minimum E g_id = 2s²(m−1)/((m+1)²√(2π)) u does not vanish if s ≠ 0, and descent with the identity leaves it; "
            + "with ReLU and clipped ReLU it stays",
        source: "METHOD.md item 7; Yin et al. ICLR 2019 (instability of the identity); the constant derived here",
        method:
            "the vector, and descent (w not normalised) from 1e-3 beside the minimum of 8 random targets at each (m, n), η = 0.05, until "
            + "ηt = 60 for the staying ones, 6‖w‖/‖E g_id‖ for the identity; left: the angle changed by more than ½, stayed: all by "
            + "less than 0.05",
        faults: [
            Fault("identity: ‖v‖² term × 1.01", Formulas.theory.scaling(.coarseIdentity, term: 0, by: 1.01)),
            Fault("identity: ‖v‖² term dropped", Formulas.theory.scaling(.coarseIdentity, term: 0, by: 0)),
            Fault("ReLU: w* term with the wrong sign", Formulas.theory.scaling(.coarseReLU, term: 2, by: -1))
        ]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var farthest = 0.0, nearest = Double.infinity, departures = 0, runs = 0
        for (index, size) in settings.dimensions.enumerated() {
            let results = try parallelMap(8, threads: settings.threads) { trial in
                var stream = Purpose.identity.stream(settings.seed, index << 8 | trial)
                return SpuriousDeparture(&stream, size: size, formulas)
            }
            for result in results {
                runs += 1
                farthest = max(farthest, result.stayedWithin)
                nearest = min(nearest, result.identityWent)
                if result.identityLeft { departures += 1 }
                if result.vectorError > 1e-12 {
                    evidence.violations.append(
                        "\(size): E g_id differs from its value at the spurious minimum by \(format(result.vectorError))")
                }
            }
        }
        if farthest > 0.05 { evidence.violations.append("ReLU or clipped ReLU went \(format(farthest)) away from the spurious minimum") }
        if departures < runs { evidence.violations.append("the identity left only \(departures) of \(runs) spurious minima") }
        evidence.summary =
            "identity left \(departures) of \(runs) spurious minima (angle moved by at least \(format(nearest))); ReLU and clipped ReLU "
            + "stayed within \(format(farthest))"
        evidence.catches = "E g_id off by 1e-12 of ‖v*‖²"
        return evidence
    }
}

private func percent(_ part: Int, _ whole: Int) -> String { String(format: "%.1f %%", 100 * Double(part) / Double(whole)) }
private func percent(_ interval: Interval) -> String { String(format: "95 %% CI %.1f–%.1f", 100 * interval.low, 100 * interval.high) }
