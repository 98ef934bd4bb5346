// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Theory.md A6: ‖w‖ ≥ c_w as a condition on the start (ReLU).
extension Claim {
    static let normLaw = Claim(
        id: "norm-law", group: .literature,
        statement:
            "exact law of a free ReLU step: r' − ‖v⁺‖²/√(2π) = ‖w‖ − ‖v‖²/√(2π) − ηκc/(2√(2π)) − η²‖d‖²/√(2π), κ = 1 − 2θ/π − cos θ, r' = "
            + "uᵀw⁺",
        proof: .ours, source: "Yin et al. ICLR 2019, theorem 1's assumption ‖w‖ ≥ c_w; derived here",
        method: "1000 random steps, relative to the terms",
        faults: [Fault("κ with the wrong sign") { $0.literature.kappa = { cos($0) + 2 * $0 / .pi - 1 } }],
        argument: LiteratureProofs.norm
    ) { settings, _, formulas in
        var evidence = Evidence()
        let error =
            try parallelMap(1000, threads: settings.threads) { trial -> Double in
                var stream = Purpose.norm.stream(settings.seed, trial)
                return normLawError(&stream, m: 1 + trial % 8, n: 2 + trial % 6, formulas)
            }.worst
        evidence.expect(error < 1e-13, "the law is off by \(format(error)) of its terms")
        evidence.summary = "largest error \(format(error)) of the terms"
        evidence.catches = "1e-13 of the terms"
        return evidence
    }

    static let normStart = Claim(
        id: "norm-start", group: .literature,
        statement:
            "‖w‖ stays positive if ‖w₀‖ > [‖v₀‖² + (e^{3g₀} − 1)C_v²]/√(2π), g₀ = ∫₀^{π/2} |κ|/sin θ dθ, since c changes sign at most "
            + "twice",
        proof: .continuous, source: "Yin et al. ICLR 2019, theorem 1's assumption ‖w‖ ≥ c_w; replaced by a condition on the start here",
        method:
            "400 free descents from 1.02 times the bound, 8000 steps of η = min{0.01, 0.05‖w₀‖/C_v²}: ‖w‖ against e^{−3g₀}(‖w₀‖ − "
            + "‖v₀‖²/√(2π) + V) − V, V = C_v²/√(2π); sign changes of c in 600 wild starts with ‖w‖ held, θ uniform, ‖v‖ over four "
            + "decades",
        faults: [Fault("c changes sign at most once") { $0.literature.mostSignChanges = 1 }],
        argument: LiteratureProofs.norm
    ) { settings, _, formulas in
        var evidence = Evidence()
        let gain = try kappaGain()
        let margins = try parallelMap(400, threads: settings.threads) { run -> Double in
            var stream = Purpose.norm.stream(settings.seed, 1 << 16 | run)
            return boundedStart(&stream, gain: gain)
        }
        let changes = try parallelMap(600, threads: settings.threads) { run -> Int in
            var stream = Purpose.norm.stream(settings.seed, 2 << 16 | run)
            return signChanges(&stream)
        }
        let smallest = margins.min() ?? -1, most = changes.max() ?? 9
        evidence.expect(smallest >= 0, "‖w‖ falls \(format(-smallest)) ‖w₀‖ below its bound")
        evidence.expect(most <= formulas.literature.mostSignChanges, "c changed its sign \(most) times")
        evidence.summary =
            "g₀ = \(String(format: "%.5f", try kappaGain())); ‖w‖ stayed above its bound by at least \(format(smallest)) ‖w₀‖; sign "
            + "changes of c: "
            + (0...most).map { k in "\(k) in \(changes.count { $0 == k })" }.joined(separator: ", ") + " of 600 runs"
        evidence.catches = "a bound that does not hold"
        return evidence
    }

    static let normThreshold = Claim(
        id: "norm-threshold", group: .literature,
        statement:
            "from ‖w₀‖ = x‖v₀‖²/√(2π) ‖w‖ collapses in half of the runs at x = ½, in none at x = 1.5: this explains why half of the "
            + "starts of item 8 collapse",
        proof: .measured, source: "METHOD.md item 8 (observed); Theory.md A6",
        method: "m = 6, n = 8, η = 0.01, 1500 starts for each x, 6000 steps; collapsed: ‖w‖ < 0.02‖w₀‖ at some step",
        faults: [Fault("‖v₀‖²/√(2π) → ‖v₀‖²/(2√(2π))") { $0.literature.collapseScale = 0.5 }]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var parts: [String] = [], shares: [Double] = []
        for x in [0.5, 0.9, 1, 1.1, 1.5] {
            let collapsed = try parallelMap(1500, threads: settings.threads) { run -> Bool in
                var stream = Purpose.norm.stream(settings.seed, 3 << 16 | run)
                return collapses(&stream, share: x * formulas.literature.collapseScale)
            }.count { $0 }
            let interval = clopperPearson(successes: collapsed, trials: 1500)
            shares.append(Double(collapsed) / 1500)
            parts.append(String(format: "x = %g: %.1f %% [%.1f, %.1f]", x, 100 * shares.last!, 100 * interval.low, 100 * interval.high))
        }
        // At 1500 starts a share of one half has a standard error of 1.3 points: 7 of them.
        evidence.expect(abs(shares[0] - 0.5) < 0.1, "\(format(100 * shares[0])) % collapsed at x = ½")
        evidence.expect(shares[4] == 0, "\(format(100 * shares[4])) % collapsed at x = 1.5")
        evidence.summary = "collapsed (95 % Clopper–Pearson): " + parts.joined(separator: ", ")
        evidence.catches = "a share 10 points away from one half at x = ½; one collapse at 1.5"
        return evidence
    }
}

private func normLawError(_ stream: inout Philox, m: Int, n: Int, _ formulas: Formulas) -> Double {
    let point = TwoLayerPoint(v: stream.normals(m), vStar: stream.normals(m), w: stream.normals(n), wStar: stream.direction(n))
    let rate = stream.uniform(), density = normalDensity(0), next = CoarseDescent(rate: rate, normalized: false).step(point)
    let d = formulas.value(.gradientV, at: point), length = dot(point.u, next.w)
    let left = length - dot(next.v, next.v) * density
    let right =
        point.normW - dot(point.v, point.v) * density - rate * formulas.literature.kappa(point.theta) * point.overlap * density / 2
        - rate * rate * dot(d, d) * density
    return abs(left - right) / (point.normW + abs(length) + dot(point.v, point.v) + dot(next.v, next.v))
}

/// g₀, 0.47310.
private func kappaGain() throws -> Double {
    try integrate(from: 0, to: .pi / 2) { $0 < 1e-6 ? 2 / .pi : (cos($0) - 1 + 2 * $0 / .pi) / sin($0) }
}

/// The smallest ‖w‖ less its bound, relative to ‖w₀‖; v, v* over two decades.
private func boundedStart(_ stream: inout Philox, gain: Double) -> Double {
    func random() -> [Double] { scaled(stream.normals(5), by: pow(10, 2 * stream.uniform() - 1)) }
    var state = ReducedDescent(
        v: random(), vStar: random(), theta: 1e-3 + (.pi - 2e-3) * stream.uniform(), proxy: .relu, rate: 0, normalized: false)
    let limit = SafeRate(state).limitV, scale = limit * limit * normalDensity(0), own = state.squareV * normalDensity(0)
    let start = 1.02 * (own + (exp(3 * gain) - 1) * scale), bound = exp(-3 * gain) * (start - own + scale) - scale
    state.normW = start
    state.rate = min(0.01, 0.05 * start / (limit * limit))
    var smallest = start
    for _ in 0..<8000 where smallest > 0.001 * start {
        state.step()
        smallest = min(smallest, state.normW)
    }
    return (smallest - bound) / start
}

private func signChanges(_ stream: inout Philox) -> Int {
    let vStar = scaled(stream.normals(5), by: pow(10, 2 * stream.uniform() - 1))
    func wild() -> Double { pow(10, 4 * stream.uniform() - 2) }
    let common = wild() * stream.normal(), v = scaled(stream.normals(5), by: wild()).map { $0 + common }
    var state = ReducedDescent(v: v, vStar: vStar, theta: .pi * stream.uniform(), proxy: .relu, rate: 0.004, normalized: false)
    // The proof is in continuous time, for any positive speed of the angle: ‖w‖ is held where it is, so that steps stay short.
    let length = pow(10, 3 * stream.uniform() - 1) * max(state.squareV, state.squareTarget)
    state.normW = length
    var changes = 0
    for step in 0..<6000 {
        // Once v has come near, steps may be longer.
        if step == 1500 { state.rate = 0.04 }
        let before = state.overlap
        state.step()
        state.normW = length
        if before * state.overlap < 0 { changes += 1 }
    }
    return changes
}

private func collapses(_ stream: inout Philox, share: Double) -> Bool {
    let vStar = stream.normals(6), v = stream.normals(6), wStar = stream.direction(8), w = stream.direction(8)
    let start = TwoLayerPoint(v: v, vStar: vStar, w: w, wStar: wStar)
    let length = share * dot(v, v) * normalDensity(0)
    var state = ReducedDescent(v: v, vStar: vStar, theta: start.theta, normW: length, proxy: .relu, rate: 0.01, normalized: false)
    for _ in 0..<6000 {
        state.step()
        if state.normW < 0.02 * length { return true }
    }
    return false
}
