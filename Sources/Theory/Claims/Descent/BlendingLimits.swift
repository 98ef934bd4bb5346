// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Quantization
import Statistics

/// Theory.md C: how far sufficient descent goes.
extension Claim {
    static let blendingSharp = Claim(
        id: "blending-sharp", group: .descent,
        statement:
            "sufficient descent's constant ½(ρ/η − L) is sharp: n = 2, one bit, w_f = (0, 1), whose nearest points are (±½, ½): ηg = "
            + "(ρ/2, −ρ/2) keeps w_f, so that the other one may follow the one, and reaches it; so for every ρ < ηL some f rises",
        proof: .ours, source: "METHOD.md part 1; Yin et al. 2019, sufficient descent of BCGD; the example is new",
        method: "f = ⟨g, · − w_q⟩ + (L/2)‖· − w_q‖² at five (ρ, η, L): both points are nearest, w_f stays, Δf against the bound",
        faults: [
            Fault("½(ρ/η − L) × 1.001") { $0.requiredDecrease = { 0.5005 * ($0 / $1 - $2) } },
            Fault("½(ρ/η − L) × 0.999") { $0.requiredDecrease = { 0.4995 * ($0 / $1 - $2) } }
        ],
        argument: DescentProofs.sharp
    ) { _, _, formulas in
        var evidence = Evidence()
        let project = try BlendedDescent.exactProjection(bits: 1), float = [0.0, 1], quantized = [0.5, 0.5], next = [-0.5, 0.5]
        func distance(_ point: [Double], _ w: [Double]) -> Double { norm(added(point, -1, w)) }
        let least = distance(project(float), float)
        evidence.expect(
            abs(distance(quantized, float) - least) < 1e-15 && abs(distance(next, float) - least) < 1e-15, "a nearer point is there")
        var worst = 0.0, rises = 0, weak = 0
        for (rho, eta, lipschitz) in [(1e-5, 0.01, 0.5), (0.3, 0.1, 1), (0.3, 0.1, 5), (1, 0.5, 0.7), (0.02, 0.1, 0.3)] {
            let g = [rho / 2 / eta, -rho / 2 / eta], move = added(next, -1, quantized)
            let after = added(added(scaled(float, by: 1 - rho), rho, quantized), -eta, g)
            evidence.expect(distance(after, float) < 1e-15, "w_f does not stay")
            let change = dot(g, move) + lipschitz / 2 * dot(move, move)
            let bound = -formulas.requiredDecrease(rho, eta, lipschitz) * dot(move, move)
            worst = worse(worst, abs(change / bound - 1))
            if rho < eta * lipschitz {
                weak += 1
                if change > 0 { rises += 1 }
            }
        }
        // The bound is a difference: of ρ/η and L, the smaller 1e-3 of the larger.
        evidence.expect(worst < 1e-12, "Δf is off the bound by \(format(worst))")
        evidence.expect(rises == weak, "f rose in only \(rises) of \(weak) cases with ρ < ηL")
        evidence.summary = "Δf equals the bound to \(format(worst)); f rises in all \(weak) cases with ρ < ηL"
        evidence.catches = "a constant off by 1e-12"
        return evidence
    }

    static let weightDecay = Claim(
        id: "blending-weight-decay", group: .descent,
        statement:
            "weight decay λ: sufficient descent holds for F = f + (λ/2)‖w_q‖²: decay of the blended w_f, as trained, with ηλ ≤ 1 "
            + "ΔF ≤ −½(ρ(1−ηλ)/η − L)‖Δ‖²; of w_q −½(ρ/η − L − λ)‖Δ‖²; of the unblended w_f −½(ρ/η − L)‖Δ‖² if ρ + ηλ ≤ 1; "
            + "for f itself it is false",
        constants: true, proof: .ours, source: "Yin et al. 2019, sufficient descent, extended to weight decay here",
        method:
            "400 random problems (binary, ternary), λ/L from 1e-3 to 3, ρ/(ηL) from ¼ to 4, 60 steps with each variant where ηλ ≤ "
            + "0.9, and ρ + ηλ ≤ 1 for the unblended; smallest slack in units of L‖Δ‖²; the plain bound for f must fail somewhere",
        faults: Decay.allCases.map { decay in
            Fault("\(decay.rawValue): constant + λ/2") { theory in
                let required = theory.decayedDecrease
                theory.decayedDecrease = { required($0, $1, $2, $3, $4) + ($0 == decay ? $4 / 2 : 0) }
            }
        },
        argument: DescentProofs.weightDecay
    ) { settings, _, formulas in
        let runs = try parallelMap(1200, threads: settings.threads) { index -> VariantRun in
            var stream = Purpose.weightDecay.stream(settings.seed, index / 3)
            return try VariantRun(decayed: &stream, Decay.allCases[index % 3], index: index / 3, formulas)
        }
        var evidence = Evidence()
        var parts: [String] = [], plain = 0
        for (k, decay) in Decay.allCases.enumerated() {
            let own = evidence.expectSlack(stride(from: k, to: runs.count, by: 3).map { runs[$0] }, of: "\(decay.rawValue): ")
            parts.append("\(decay.rawValue) \(format(own.slack)) in \(own.moves) moves")
            plain += own.plain
        }
        evidence.expect(plain > 0, "the plain bound for f was never exceeded")
        evidence.summary =
            "smallest slack of F, in L‖Δ‖²: \(parts.joined(separator: ", ")); the plain bound for f itself was exceeded at \(plain) moves"
        evidence.catches = "a constant too strong by λ/2"
        return evidence
    }

    static let momentum = Claim(
        id: "blending-momentum", group: .descent,
        statement:
            "with momentum only Δf ≤ −½(ρ/η − L)‖Δ‖² + ⟨g − buffer, Δ⟩ is left, and no ρ ≤ 1 makes f fall at every step: n = 1, β = 0.95, "
            + "ηL = 0.01, where blending is void, rises",
        proof: .ours, source: "Yin et al. 2019, sufficient descent, as trained (momentum 0.95); derived here",
        method: "400 random problems, β = 0.95, 60 steps; the bound, and how often the plain one fails; heavy ball on w²/2",
        faults: [Fault("⟨g − buffer, Δ⟩ dropped") { $0.momentumTerm = 0 }],
        argument: DescentProofs.momentum
    ) { settings, _, formulas in
        let runs = try parallelMap(400, threads: settings.threads) { index -> VariantRun in
            var stream = Purpose.momentum.stream(settings.seed, index)
            return try VariantRun(momentum: &stream, index: index, formulas)
        }
        var evidence = Evidence()
        let (slack, moves, plain) = evidence.expectSlack(runs)
        evidence.expect(plain > 0, "the plain bound was never exceeded")
        var (w, buffer, first) = (1.0, 0.0, 0)
        for step in 1...100 where first == 0 {
            buffer = 0.95 * buffer + w
            let next = w - 0.01 * buffer
            if next * next > w * w { first = step }
            w = next
        }
        evidence.expect(first > 0, "the heavy ball never rose")
        evidence.summary =
            "smallest slack \(format(slack)) L‖Δ‖² in \(moves) moves; the plain bound fails at \(plain); n = 1: f rises first at step "
            + "\(first)"
        evidence.catches = "a bound exceeded by 1e-9 L‖Δ‖²"
        return evidence
    }

    static let inexact = Claim(
        id: "blending-inexact", group: .descent,
        statement:
            "inexact projections add (ε₊² + (1−ρ)ε²)/(2η) to the bound, ε² the excess of the squared distance over the exact projection's",
        constants: true, proof: .ours, source: "Yin et al. 2019, sufficient descent, for 4 bits by Lloyd's alternation; derived here",
        method:
            "400 random problems, 4 bits, three iterations of Lloyd against the exact projection, 60 steps: ⟨g, Δ⟩ ≤ −(ρ/2η)‖Δ‖² + that "
            + "term; without it the bound must fail somewhere",
        faults: [Fault("the excess dropped") { $0.excessTerm = 0 }],
        argument: DescentProofs.inexact
    ) { settings, _, formulas in
        let runs = try parallelMap(400, threads: settings.threads) { index -> VariantRun in
            var stream = Purpose.inexact.stream(settings.seed, index)
            return try VariantRun(inexact: &stream, index: index, formulas)
        }
        var evidence = Evidence()
        let (slack, moves, plain) = evidence.expectSlack(runs)
        evidence.expect(plain > 0, "without the term the bound never failed")
        evidence.summary = "smallest slack \(format(slack)) L‖Δ‖² in \(moves) moves; without the term \(plain) violations"
        evidence.catches = "a bound exceeded by 1e-9 L‖Δ‖²"
        return evidence
    }
}

extension Evidence {
    /// Expects no move beyond its bound; how far the nearest stayed within it, how many moves there were, and at how many the plain bound
    /// fails.
    fileprivate mutating func expectSlack(_ runs: [VariantRun], of name: String = "") -> (slack: Double, moves: Int, plain: Int) {
        let slack = -runs.map { -$0.slack }.worst
        expect(slack > -1e-9, "\(name)exceeded by \(format(-slack)) L‖Δ‖²")
        return (slack, runs.reduce(0) { $0 + $1.moves }, runs.reduce(0) { $0 + $1.plainViolations })
    }
}

/// What weight decay shrinks.
enum Decay: String, CaseIterable, Sendable {
    case blended = "blended w_f"
    case quantized = "w_q"
    case float = "unblended w_f"

    /// The decrease of F = f + (λ/2)‖w_q‖² that is guaranteed, per ‖Δ‖².
    func decrease(rho: Double, eta: Double, lipschitz: Double, lambda: Double) -> Double {
        switch self {
        case .blended: (rho * (1 - eta * lambda) / eta - lipschitz) / 2
        case .quantized: (rho / eta - lipschitz - lambda) / 2
        case .float: (rho / eta - lipschitz) / 2
        }
    }
}

/// Blended descent with a variation of the step, on one random problem; slack in units of L‖Δ‖².
private struct VariantRun: Sendable {
    var slack = Double.infinity
    var moves = 0
    /// Moves at which the bound without the variation's own term fails.
    var plainViolations = 0

    private struct Setting {
        let problem: QuantizedProblem
        let rho, eta: Double
        var float: [Double]
        let bits: Int
    }

    private static func setting(_ stream: inout Philox, index: Int) throws -> Setting {
        let columns = 2 + index % 11
        let problem = try QuantizedProblem(kind: QuantizedProblem.Kind.allCases[index % 2], rows: 40, columns: columns, &stream)
        let rho = pow(10, -3 * stream.uniform()), ratio = 0.25 * pow(16, stream.uniform())
        return Setting(
            problem: problem, rho: rho, eta: rho / (ratio * problem.lipschitz), float: stream.normals(columns), bits: 1 + index / 2 % 2)
    }

    /// Slack and moves of one step; rounding of f is that of a mean of 40 terms.
    private mutating func note(_ squaredMove: Double, _ lipschitz: Double, scale: Double, bound: Double, plain: Double, value: Double) {
        if squaredMove <= 1e-12 { return }
        let rounding = 1e-13 * (1 + scale)
        moves += 1
        slack = -worse(-slack, (value - bound - rounding) / (lipschitz * squaredMove))
        if value > plain + rounding { plainViolations += 1 }
    }

    init(decayed stream: inout Philox, _ decay: Decay, index: Int, _ formulas: Formulas) throws {
        let x = try Self.setting(&stream, index: index), project = try BlendedDescent.exactProjection(bits: x.bits)
        let lipschitz = x.problem.lipschitz, lambda = lipschitz * pow(10, 3.5 * stream.uniform() - 3)
        guard x.eta * lambda <= 0.9, decay != .float || x.rho + x.eta * lambda <= 1 else { return }
        var float = x.float, quantized = project(float)
        for _ in 0..<60 {
            let blended = added(scaled(float, by: 1 - x.rho), x.rho, quantized)
            let shrunk =
                switch decay {
                case .blended: blended
                case .quantized: quantized
                case .float: float
                }
            float = added(added(blended, -x.eta, x.problem.gradient(quantized)), -x.eta * lambda, shrunk)
            let next = project(float), move = added(next, -1, quantized), square = dot(move, move)
            let change = x.problem.loss(next) - x.problem.loss(quantized)
            let growth = (dot(next, next) - dot(quantized, quantized)) * lambda / 2
            let plain = -formulas.requiredDecrease(x.rho, x.eta, lipschitz) * square
            let bound = -formulas.decayedDecrease(decay, x.rho, x.eta, lipschitz, lambda) * square
            let before = moves
            note(square, lipschitz, scale: x.problem.loss(quantized) + abs(growth), bound: bound, plain: .infinity, value: change + growth)
            if moves > before && change > plain + 1e-9 * lipschitz * square { plainViolations += 1 }
            quantized = next
        }
    }

    init(momentum stream: inout Philox, index: Int, _ formulas: Formulas) throws {
        let x = try Self.setting(&stream, index: index), project = try BlendedDescent.exactProjection(bits: x.bits)
        var float = x.float, quantized = project(float), buffer = [Double](repeating: 0, count: float.count)
        for _ in 0..<60 {
            let gradient = x.problem.gradient(quantized)
            buffer = added(gradient, 0.95, buffer)
            float = added(added(scaled(float, by: 1 - x.rho), x.rho, quantized), -x.eta, buffer)
            let next = project(float), move = added(next, -1, quantized), square = dot(move, move)
            let plain = -formulas.requiredDecrease(x.rho, x.eta, x.problem.lipschitz) * square
            let rest = formulas.momentumTerm * dot(added(gradient, -1, buffer), move)
            note(
                square, x.problem.lipschitz, scale: x.problem.loss(quantized) + abs(dot(gradient, move)) + abs(dot(buffer, move)),
                bound: plain + rest, plain: plain, value: x.problem.loss(next) - x.problem.loss(quantized))
            quantized = next
        }
    }

    init(inexact stream: inout Philox, index: Int, _ formulas: Formulas) throws {
        let x = try Self.setting(&stream, index: index)
        let lloyd = try LloydProjection(bits: 4, maximumIterations: 3), exact = try ExactProjection(bits: 4)
        func near(_ projection: some WeightQuantizer, _ w: [Double]) -> (point: [Double], square: Double) {
            let (scale, codes) = projection.referenceProject(w), point = codes.map { scale * Double($0) }, gap = added(point, -1, w)
            return (point, dot(gap, gap))
        }
        var float = x.float, quantized = near(lloyd, float).point
        var excess = near(lloyd, float).square - near(exact, float).square
        for _ in 0..<60 {
            let gradient = x.problem.gradient(quantized)
            float = added(added(scaled(float, by: 1 - x.rho), x.rho, quantized), -x.eta, gradient)
            let found = near(lloyd, float), next = found.square - near(exact, float).square, move = added(found.point, -1, quantized)
            let square = dot(move, move), plain = -x.rho / (2 * x.eta) * square
            let rest = formulas.excessTerm * (next + (1 - x.rho) * excess) / (2 * x.eta)
            note(
                square, x.problem.lipschitz, scale: (dot(float, float) + norm(gradient) * x.eta) / x.eta * 10, bound: plain + rest,
                plain: plain, value: dot(gradient, move))
            (quantized, excess) = (found.point, next)
        }
    }
}
