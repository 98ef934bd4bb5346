// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A7.
    static let theorem2 = Claim(
        id: "theorem-2", group: .literature,
        statement:
            "R₊ = {c > 0, θ < π/2, s·1ᵀv ≤ s²} is invariant under steps with A5's η and leads monotonically to the global minimum; with "
            + "free ReLU ‖w₀‖ ≥ c_w + (‖v₀‖² + 4ηf₀)/√(2π) keeps ‖w‖ ≥ c_w for ever. R₋ = {c < 0, s(s − 1ᵀv) ≤ 2a, k ≤ −2a/‖v*‖²} is "
            + "invariant and leads to θ = π",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019, theorem 2, without its assumption; R₋ is new",
        method:
            "1600 free ReLU descents (c_w = 0.05) and 1600 normalised ones with each proxy from R₊, 1600 normalised with each from R₋, "
            + "four (m, n), A5's η, 1500 steps: membership, rises of f, ‖w‖ ≥ c_w, θ monotone; f and θ nearer to their limits at the end",
        faults: [
            Fault("R₊: s·1ᵀv ≤ 2s²") { $0.literature.basinFactor = 2 },
            Fault("c_w: ‖v₀‖²/√(2π) dropped") { $0.literature.keepsLength = false }
        ],
        argument: LiteratureProofs.theorem2
    ) { settings, _, formulas in
        var evidence = Evidence()
        let kinds =
            Proxy.allCases.flatMap { proxy in [true, false].map { BasinRun.Kind(proxy: proxy, free: false, global: $0) } }
            + [.init(proxy: .relu, free: true, global: true)]
        let runs = try parallelMap(1600 * kinds.count, threads: settings.threads) { index -> BasinRun in
            var stream = Purpose.basins.stream(settings.seed, index)
            return BasinRun(&stream, kind: kinds[index % kinds.count], m: [1, 2, 6, 20][index / kinds.count % 4], formulas)
        }
        for run in runs { if let fault = run.fault { evidence.expect(false, fault) } }
        let rise = runs.map(\.rise).worst, left = runs.count { $0.fault != nil }
        evidence.summary =
            "\(runs.count) descents, \(left) left their region, let ‖w‖ fall below c_w or f rise; largest rise \(format(rise)) (f₀ + "
            + "‖v*‖²); θ moved towards its limit at every step"
        evidence.catches = "a start condition twice too wide"
        return evidence
    }
}

/// One descent from inside a basin.
private struct BasinRun: Sendable {
    struct Kind: Sendable {
        let proxy: Proxy
        let free: Bool
        let global: Bool
    }

    var rise = -Double.infinity
    var fault: String?

    init(_ stream: inout Philox, kind: Kind, m: Int, _ formulas: Formulas) {
        let factor = formulas.literature.basinFactor
        func isInside(_ x: ReducedDescent) -> Bool {
            // s(s − 1ᵀv) = 2a in the limit: rounding is let through.
            guard kind.global else {
                let a = x.s * x.s / (x.m + 1)
                return x.overlap < 0 && x.s * (x.s - x.sumV) <= 2 * a + 1e-14 * (1 + x.s * x.s) && x.k <= -2 * a / x.squareTarget
            }
            return x.overlap > 0 && x.theta < .pi / 2 && x.s * x.sumV <= factor * x.s * x.s * (1 + 1e-12) + 1e-15
        }
        // Rejection; R₋ is empty unless ‖v*‖² > 2a, and never contains m = 1.
        var state: ReducedDescent
        repeat {
            let size = kind.global ? m : max(2, m), vStar = stream.direction(size)
            let v = scaled(stream.direction(size), by: pow(10, 1.5 * stream.uniform() - 1))
            let theta = kind.global ? .pi / 2 * stream.uniform() : .pi * (0.5 + 0.5 * stream.uniform())
            state = ReducedDescent(v: v, vStar: vStar, theta: theta, proxy: kind.proxy, rate: 0, normalized: !kind.free)
        } while !isInside(state)
        let shortest = kind.free ? 0.05 : 1, safe = SafeRate(state)
        state.rate = safe.rate(lengthAbove: shortest)
        let start = state.loss
        if kind.free {
            let needed = (state.squareV + 4 * state.rate * start) * normalDensity(0)
            state.normW = shortest + (formulas.literature.keepsLength ? needed : 0)
        }
        let sign: Double = kind.global ? 1 : -1, startAngle = state.theta
        for _ in 0..<1500 where fault == nil {
            let (f, theta) = (state.loss, state.theta)
            state.step()
            rise = max(rise, (state.loss - f) / (start + state.squareTarget))
            // Rounding of f and of θ.
            if rise > 1e-14 { fault = "f rose by \(format(rise)), \(kind)" }
            if !isInside(state) { fault = "left the region: c = \(format(state.overlap)), θ = \(format(state.theta)), \(kind)" }
            if sign * (state.theta - theta) > 1e-15 { fault = "θ turned back, \(kind)" }
            if state.normW < shortest * (1 - 1e-12) { fault = "‖w‖ fell to \(format(state.normW)), \(kind)" }
        }
        // 1500 steps are too few for the limit with the least rates, but not for nothing.
        if fault == nil, sign * (state.theta - startAngle) >= 0 || state.loss >= start { fault = "the descent stands still, \(kind)" }
    }
}
