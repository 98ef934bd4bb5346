// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A5: one step.
    static let stepSize = Claim(
        id: "step-size", group: .literature,
        statement:
            "exact change of f in a coarse step: Δf = −η‖d‖² + (η²/8)dᵀ(I+J)d + (c − η dᵀv*)Δθ/(2π). With r' = ‖w‖ − ηā (ā = E g·u) and "
            + "η(m+1) < 8 it is ≤ 0 if (S1) r' > 0, η|c|q ≤ 2r' sin θ, and (S2) η²q·v*ᵀ(I − (η/8)(I+J))⁻¹v* ≤ 8πr'; both are sharp",
        printed:
            "f falls monotonically if η < 2/((1+A)L), L the Lipschitz constant of ∇f and A the constant of the bound, which depend on ‖v‖ "
            + "≤ C_v and ‖w‖ ≥ c_w only",
        proof: .ours, source: "Yin et al. ICLR 2019, theorem 1's step size; repaired here",
        method:
            "the largest η that the printed condition admits, with L and A as they are along θ → 0 and ‖w‖ → ∞; the identity at 1500 "
            + "random steps; random and near-critical steps inside the condition (three proxies); both conditions at 0.995 and 1.01 "
            + "of their limits, S1 at d = 0, θ = 1e-3, S2 at 40 saddles",
        faults: [
            Fault("S1: 2 → 2.02") { $0.literature.step.overshoot = 2.02 },
            Fault("S2: 8π → 8.08π") { $0.literature.step.discriminant *= 1.01 },
            Fault("S1: 2 → 1.97") { $0.literature.step.overshoot = 1.97 },
            Fault("f: (1 − 2θ/π)vᵀv* × 1.01", Formulas.theory.scaling(.loss, term: 2, by: 1.01))
        ],
        argument: LiteratureProofs.stepSize
    ) { settings, _, formulas in
        var evidence = Evidence()
        let admitted = try admittedRates()
        if admitted.last! < 1e-3 * admitted[0] {
            evidence.counterexample =
                "‖v‖ ≤ 1.3‖v*‖, ‖w‖ ≥ 1: the largest η that it admits falls as \(admitted.map(format).joined(separator: ", ")) with θ = "
                + "0.1, …, 1e-4 and ‖w‖ = 1, …, 1000: no η > 0 is left"
        }
        let condition = formulas.literature.step
        let error =
            try parallelMap(500, threads: settings.threads) { trial -> Double in
                var stream = Purpose.stepSize.stream(settings.seed, trial)
                return changeError(&stream, formulas)
            }.worst
        evidence.expect(error < 1e-13, "the change of f is off by \(format(error)) (1 + f)")
        let batches = try parallelMap(96, threads: settings.threads) { batch -> SafeSteps in
            var stream = Purpose.stepSize.stream(settings.seed, 1000 + batch)
            return SafeSteps(&stream, proxy: Proxy.allCases[batch % 3], condition)
        }
        let inside = batches.reduce(0) { $0 + $1.inside }, rises = batches.reduce(0) { $0 + $1.rises }
        let outside = batches.reduce(0) { $0 + $1.outsideRises }, worst = batches.map(\.worst).worst
        evidence.expect(rises == 0, "f rose at \(rises) of \(inside) steps inside the condition, by up to \(format(worst)) of the terms")
        let (s1, s2) = (s1Signs(condition), s2Signs(settings, condition))
        evidence.expect(s1.inside < 0 && s2.inside < 0, "f rises inside: \(format(s1.inside)) at 0.995 of S1, \(format(s2.inside)) of S2")
        evidence.expect(
            s1.outside > 0 && s2.outside > 0, "f falls outside: \(format(s1.outside)) at 1.01 of S1, \(format(s2.outside)) of S2")
        evidence.summary =
            "identity to \(format(error)) (1 + f); \(inside) steps inside, \(rises) rises (\(outside) among as many outside); Δf/|cΔθ| at "
            + "0.995 and 1.01 of the limits: S1 \(format(s1.inside)), \(format(s1.outside)); S2 at \(s2.count) saddles at most "
            + "\(format(s2.inside)), at least \(format(s2.outside))"
        evidence.catches = "either condition too weak by 1 %, too strong by 1 %"
        return evidence
    }

    /// Theory.md A5: the uniform step size.
    static let uniformStep = Claim(
        id: "step-size-uniform", group: .literature,
        statement:
            "with η ≤ min{4/(m+1), c_w/(2Γ)}, Γ = C_v[(m+1)C_v + (m+3/2)‖v*‖]/(2√(2π)) (identity: C_v(C_v + 1.5‖v*‖)/√(2π)), Δf ≤ −¼η‖d‖² "
            + "while ‖w‖ ≥ c_w, and ‖v‖ ≤ C_v for ever; neither an upper bound on ‖w‖ nor a Lipschitz constant is needed",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019, theorem 1; made explicit here",
        method:
            "200 free descents of 4000 steps for each proxy at 2×3, 4×6, 12×16 with ‖w₀‖ = 4c_w; Δf and ‖v‖ at every step with ‖w‖ ≥ c_w",
        faults: [
            Fault("η × 30") { $0.literature.rateFactor = 30 }
        ],
        argument: LiteratureProofs.stepSize
    ) { settings, _, formulas in
        let sizes = [(m: 2, n: 3), (m: 4, n: 6), (m: 12, n: 16)]
        let runs = try parallelMap(1800, threads: settings.threads) { run -> UniformRun in
            var stream = Purpose.stepRuns.stream(settings.seed, run)
            return UniformRun(&stream, size: sizes[run / 3 % 3], proxy: Proxy.allCases[run % 3], formulas)
        }
        var evidence = Evidence()
        let rise = runs.map(\.excess).worst, length = runs.map(\.longest).worst
        let kept = runs.reduce(0) { $0 + $1.steps }
        // f and ¼η‖d‖² are differences of terms of order f₀ + ‖v*‖², rounded at 1e-16.
        evidence.expect(rise < 1e-13, "Δf + ¼η‖d‖² reaches \(format(rise)) of f₀")
        evidence.expect(length <= 1 + 1e-12, "‖v‖ reaches \(format(length)) C_v")
        evidence.summary =
            "\(kept) steps with ‖w‖ ≥ c_w: largest Δf + ¼η‖d‖² \(format(rise)) f₀, largest ‖v‖ \(String(format: "%.4f", length)) C_v; "
            + "\(runs.count(where: \.settled)) of \(runs.count) runs entered a basin of A7"
        evidence.catches = "a step size 30 times too large"
        return evidence
    }
}

/// `2/((1+A)L)` with the constants as they must be at least, at θ = 10^−(j+1), ‖w‖ = 10^j, j = 0 … 3: L = |c| cot θ/(2π) at ‖w‖ = 1 (A2),
/// A = √(π/2)‖w‖ (A3), v* = (1, 1), v = 1.3 v*.
private func admittedRates() throws -> [Double] {
    (0...3).map { j in
        let theta = pow(10, -Double(j) - 1)
        let point = TwoLayerPoint(v: [1.3, 1.3], vStar: [1, 1], w: [cos(theta), sin(theta), 0], wStar: [1, 0, 0])
        return 2 / ((1 + SharpBound.relu.b * pow(10, Double(j))) * point.lipschitzW)
    }
}

/// The exact change against the difference of two losses, for each proxy at one random point.
private func changeError(_ stream: inout Philox, _ formulas: Formulas) -> Double {
    let m = 1 + Int(5 * stream.uniform()), n = 2 + Int(3 * stream.uniform())
    let point = TwoLayerPoint(v: stream.normals(m), vStar: stream.normals(m), w: stream.normals(n), wStar: stream.direction(n))
    let rate = 2 * stream.uniform(), loss = formulas.value(.loss, at: point)[0]
    return Proxy.allCases.map { proxy in
        let next = CoarseDescent(proxy: proxy, rate: rate, normalized: false).step(point, formulas: formulas)
        let step = CoarseStep(v: point.v, vStar: point.vStar, theta: point.theta, normW: point.normW, rate: rate, proxy: proxy)
        return abs(formulas.value(.loss, at: next)[0] - loss - step.change) / (1 + loss)
    }.max()!
}

/// 4000 random steps: half near the stationary v, part of them near the saddle's angle, half of the angles near 0 or π.
private struct SafeSteps: Sendable {
    var inside = 0
    var rises = 0
    var outsideRises = 0
    var worst = -Double.infinity

    init(_ stream: inout Philox, proxy: Proxy, _ condition: StepCondition) {
        for _ in 0..<4000 {
            let m = 1 + Int(8 * stream.uniform())
            func power(_ low: Double, _ high: Double) -> Double { pow(10, low + (high - low) * stream.uniform()) }
            let vStar = scaled(stream.normals(m), by: power(-1, 1)), critical = CriticalPoints(vStar: vStar)
            var theta = Double.pi * stream.uniform()
            if stream.uniform() < 0.5 { theta = power(-6, 0) }
            if stream.uniform() < 0.3 { theta = .pi - theta }
            if critical.hasSpuriousMinimum, stream.uniform() < 0.4 { theta = critical.saddleTheta + power(-4, -1) * stream.normal() }
            theta = min(max(abs(theta), 1e-7), .pi - 1e-7)
            let far = scaled(stream.normals(m), by: power(-1.5, 1))
            let v = stream.uniform() < 0.6 ? added(critical.stationaryV(theta: theta), power(-4, 0), far) : far
            let step = CoarseStep(v: v, vStar: vStar, theta: theta, normW: power(-2.5, 1.5), rate: power(-3, 1), proxy: proxy)
            let relative = step.change / (step.scale + 1e-300)
            if step.isSafe(condition) {
                inside += 1
                worst = worse(worst, relative)
                if relative > 1e-12 { rises += 1 }
            } else if relative > 1e-12 {
                outsideRises += 1
            }
        }
    }
}

/// Δf/|cΔθ| at d = 0, θ = 1e-3 with r' such that S1 is used to 0.995 and to 1.01.
private func s1Signs(_ condition: StepCondition) -> (inside: Double, outside: Double) {
    let vStar = [1.0, -1, 0.5], theta = 1e-3
    func relative(_ used: Double) -> Double {
        let v = CriticalPoints(vStar: vStar).stationaryV(theta: theta)
        let start = CoarseStep(v: v, vStar: vStar, theta: theta, normW: 1, rate: 0.2, proxy: .relu)
        let step = CoarseStep(v: v, vStar: vStar, theta: theta, kept: start.criticalKept(condition).s1 / used, rate: 0.2, proxy: .relu)
        return step.change / abs(step.overlap * step.turn)
    }
    return (relative(0.995), relative(1.01))
}

/// The largest Δf/|cΔθ| at 0.995 of S2 and the smallest at 1.01, over the saddles of 40 random targets: there c → 0, so that S1 is
/// void, and d is the worst one, `(Δθ/4π)(I − (η/8)(I+J))⁻¹v*`.
private func s2Signs(_ settings: VerificationSettings, _ condition: StepCondition) -> (inside: Double, outside: Double, count: Int) {
    var (inside, outside, count) = (-Double.infinity, Double.infinity, 0)
    for trial in 0..<400 where count < 40 {
        var stream = Purpose.stepSize.stream(settings.seed, 1 << 20 | trial)
        let m = 2 + Int(6 * stream.uniform()), vStar = stream.normals(m), critical = CriticalPoints(vStar: vStar)
        let rate = (0.05 + 0.85 * stream.uniform()) * 8 / Double(m + 1), square = dot(vStar, vStar), s = vStar.reduce(0, +)
        guard s * s < 0.45 * Double(m + 1) * square else { continue }
        count += 1
        let saddle = CoarseStep(
            v: critical.stationaryV(theta: critical.saddleTheta), vStar: vStar, theta: critical.saddleTheta, normW: 1, rate: rate,
            proxy: .relu)
        for used in [0.995, 1.01] {
            let kept = saddle.criticalKept(condition).s2 / used, c = 1e-4 * kept / (rate * Proxy.relu.qLimit)
            let turn = rate * saddle.q * c / kept, along = s / Double(m)
            let d = vStar.map { turn / (4 * .pi) * (($0 - along) / (1 - rate / 8) + along / (1 - rate * Double(m + 1) / 8)) }
            // The angle at which this d goes with this c: c = vᵀv*, v = (I+J)⁻¹(4d + kv* + s1).
            let sumD = d.reduce(0, +), a = critical.a
            let k = (c - 4 * (dot(vStar, d) - s * sumD / Double(m + 1)) - a) / (square - a)
            let x = zip(d, vStar).map { 4 * $0 + k * $1 + s }, mean = x.reduce(0, +) / Double(m + 1)
            let step = CoarseStep(v: x.map { $0 - mean }, vStar: vStar, theta: (1 - k) * .pi / 2, kept: kept, rate: rate, proxy: .relu)
            let relative = step.change / abs(step.overlap * step.turn)
            if used < 1 { inside = max(inside, relative) } else { outside = min(outside, relative) }
        }
    }
    return (inside, outside, count)
}

/// One free descent with the uniform step size.
private struct UniformRun: Sendable {
    /// The largest `(Δf + ¼η‖d‖²)/f₀` while ‖w‖ ≥ c_w.
    var excess = -Double.infinity
    /// The largest ‖v‖/C_v.
    var longest = 0.0
    var steps = 0
    let settled: Bool

    init(_ stream: inout Philox, size: (m: Int, n: Int), proxy: Proxy, _ formulas: Formulas) {
        func random(_ m: Int) -> [Double] { scaled(stream.normals(m), by: pow(10, stream.uniform() - 0.5)) }
        let theta = stream.angle(size.n)
        var state = ReducedDescent(v: random(size.m), vStar: random(size.m), theta: theta, proxy: proxy, rate: 0, normalized: false)
        let safe = SafeRate(state)
        state.normW = 2 * (state.squareV + safe.limitV * safe.limitV) * normalDensity(0)
        let shortest = state.normW / 4
        state.rate = formulas.literature.rateFactor * safe.rate(lengthAbove: shortest)
        let start = state.loss
        var f = start
        for _ in 0..<4000 where state.normW >= shortest {
            let fall = state.rate * state.squareSlope / 4
            state.step()
            guard state.normW >= shortest else { break }
            steps += 1
            excess = max(excess, (state.loss - f + fall) / (start + state.squareTarget))
            longest = max(longest, state.squareV.squareRoot() / safe.limitV)
            f = state.loss
        }
        settled = state.isInGlobalBasin || state.isInSpuriousBasin
    }
}
