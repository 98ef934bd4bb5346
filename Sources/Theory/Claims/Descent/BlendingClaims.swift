// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// What blending guarantees, and that nothing guarantees it without.
extension Claim {
    static let sufficientDescent = Claim(
        id: "sufficient-descent", group: .descent,
        statement: "f(w_q⁺) − f(w_q) ≤ −½(ρ/η − L)‖w_q⁺ − w_q‖² at every step, for exact binary and ternary projections",
        source: "METHOD.md part 1; Yin et al. 2019, sufficient descent of BCGD",
        method: "200 random problems (least squares, logistic; L from the spectrum; binary, ternary), ρ/(ηL) from ¼ to 4, 100 steps each",
        faults: [
            Fault("½(ρ/η − L) × 1.5") { $0.requiredDecrease = { 0.75 * ($0 / $1 - $2) } },
            Fault("L dropped") { $0.requiredDecrease = { rho, eta, _ in rho / eta / 2 } },
            Fault("½ dropped") { $0.requiredDecrease = { $0 / $1 - $2 } },
            Fault("ρ/η with the wrong sign of L") { $0.requiredDecrease = { ($0 / $1 + $2) / 2 } }
        ]
    ) { settings, _, formulas in
        let runs = try parallelMap(200, threads: settings.threads) { index in
            try BlendingRun(settings.seed, index: index, ratio: nil, steps: 100, formulas)
        }
        var evidence = Evidence()
        let moves = runs.reduce(0) { $0 + $1.moves }
        let smallest = runs.map(\.smallestSlack).min() ?? .infinity
        for run in runs { evidence.violations += run.violations.prefix(max(0, 3 - evidence.violations.count)) }
        if moves < 200 { evidence.violations.append("w_q moved only \(moves) times: nothing was tested") }
        let rises = runs.filter { $0.ratio >= 1 }.reduce(0) { $0 + $1.rises }
        if rises > 0 { evidence.violations.append("f rose at \(rises) steps although ρ ≥ ηL") }
        evidence.summary =
            "\(moves) moves of w_q in \(200 * 100) steps; smallest slack \(format(smallest)) of L‖Δw_q‖²; no rise of f where ρ ≥ ηL"
        evidence.catches = "a guarantee too strong by \(format(smallest)) L‖Δw_q‖²"
        evidence.tables = [
            DataTable(name: "sufficient_descent", columns: ["rho_over_eta_l", "slack", "ternary"], blocks: [runs.flatMap(\.rows)])
        ]
        return evidence
    }

    static let withoutBlending = Claim(
        id: "no-blending", group: .descent,
        statement: "without blending (ρ = 0) f(w_q) can rise; with ρ = 1.5 ηL the same problems never do",
        source: "METHOD.md part 1; Yin et al. 2019 (BinaryConnect's missing guarantee)",
        method: "search over 200 random problems, starts and η, 100 steps each",
        faults: []
    ) { settings, _, formulas in
        let plain = try parallelMap(200, threads: settings.threads) {
            try BlendingRun(settings.seed, index: $0, ratio: 0, steps: 100, formulas)
        }
        let blended = try parallelMap(200, threads: settings.threads) {
            try BlendingRun(settings.seed, index: $0, ratio: 1.5, steps: 100, formulas)
        }
        var evidence = Evidence()
        let rises = plain.reduce(0) { $0 + $1.rises }, guarded = blended.reduce(0) { $0 + $1.rises }
        evidence.catches = "a rise of f above 1e-13 (1 + f) with blending"
        let largest = plain.map(\.largestRise).worst
        if rises == 0 { evidence.violations.append("no rise of f found with ρ = 0") }
        if guarded > 0 { evidence.violations.append("f rose at \(guarded) steps with ρ = 1.5 ηL") }
        evidence.summary =
            "ρ = 0: f rose at \(rises) steps in \(plain.count { $0.rises > 0 }) of 200 problems, by up to "
            + "\(String(format: "%.0f", 100 * largest)) %; ρ = 1.5 ηL: at \(guarded)"
        return evidence
    }
}

/// Blended descent on one random problem, with every step's slack.
private struct BlendingRun: Sendable {
    /// `ρ/(ηL)`.
    let ratio: Double
    /// (ratio, slack/(L‖Δw_q‖²), 1 for ternary) of the first 15 steps at which w_q moved.
    var rows: [[Double]] = []
    var violations: [String] = []
    /// Steps at which f rose, beyond rounding.
    var rises = 0
    /// The largest relative rise.
    var largestRise = 0.0

    /// Steps at which w_q moved, and the smallest slack in units of L‖Δw_q‖² among them.
    var moves = 0
    var smallestSlack = Double.infinity

    init(_ seed: UInt64, index: Int, ratio fixed: Double?, steps: Int, _ formulas: Formulas) throws {
        var stream = Purpose.blending.stream(seed, index)
        let kind = QuantizedProblem.Kind.allCases[index % 2], bits = 1 + index / 2 % 2
        let columns = 2 + index % 23
        let problem = try QuantizedProblem(kind: kind, rows: 40, columns: columns, &stream)
        let drawn = 0.25 * pow(16, stream.uniform()), rho = pow(10, -3 * stream.uniform())
        ratio = fixed ?? drawn
        // ρ = 0 keeps the η that the drawn ratio gives.
        let eta = rho / ((ratio > 0 ? ratio : drawn) * problem.lipschitz)
        var descent = BlendedDescent(
            problem, projection: try BlendedDescent.exactProjection(bits: bits), rho: ratio > 0 ? rho : 0, eta: eta,
            start: stream.normals(columns))
        for step in 0..<steps {
            let before = descent.loss
            let (change, move) = descent.step()
            // Rounding of f, a mean of 40 terms.
            let rounding = 1e-13 * (1 + before)
            if change > rounding {
                rises += 1
                largestRise = worse(largestRise, change / before)
            }
            let slack = -formulas.requiredDecrease(descent.rho, eta, problem.lipschitz) * move - change
            if slack < -rounding {
                violations.append("\(kind.rawValue), \(bits) bit, n = \(columns), step \(step): exceeded by \(format(-slack))")
            }
            guard move > 1e-12 else { continue }
            moves += 1
            smallestSlack = min(smallestSlack, slack / (problem.lipschitz * move))
            // Late steps repeat each other: the figure shows the first ones.
            if moves <= 15 { rows.append([ratio, slack / (problem.lipschitz * move), Double(bits - 1)]) }
        }
    }
}
