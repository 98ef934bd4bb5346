// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Theory.md D: where normalised descent ends, with the reduced dynamics.
extension Claim {
    static let threshold = Claim(
        id: "threshold", group: .descent,
        statement:
            "the spurious minimum attracts if and only if s² < ½(m+1)‖v*‖²: from θ = π − 1e-3 and v = v̄(θ), descent ends there at 0.99 "
            + "of the threshold, and at the global minimum at 1.00 and 1.01, for every proxy and m",
        proof: .ours, source: "METHOD.md item 7; Yin et al. ICLR 2019, proposition 1; the attack is new",
        method:
            "adversarial starts, normalised, η = min{4/(m+1), 0.1}, m = 2, 4, 16, 64, three proxies, to θ > π − 1e-6 or to R₊ of A7; "
            + "random starts cannot see the threshold for m ≥ 4",
        faults: [
            Fault("threshold × 1.02") { $0.threshold = { 1.02 * (Double($0) + 1) / 2 } },
            Fault("m+1 → m") { $0.threshold = { Double($0) / 2 } }
        ],
        argument: DescentProofs.threshold
    ) { settings, _, formulas in
        let cases = Proxy.allCases.flatMap { proxy in
            [2, 4, 16, 64].flatMap { m in
                [0.99, 1.0, 1.01].map { (share: Double) -> (proxy: Proxy, m: Int, share: Double) in (proxy, m, share) }
            }
        }
        let ends = try parallelMap(cases.count, threads: settings.threads) { index -> (global: Bool?, steps: Int) in
            let x = cases[index]
            return adversarialEnd(x.proxy, m: x.m, square: x.share * formulas.threshold(x.m))
        }
        var evidence = Evidence()
        for ((proxy, m, share), end) in zip(cases, ends) where end.global != (share >= 1) {
            let place = end.global.map { $0 ? "the global minimum" : "the spurious minimum" } ?? "no minimum"
            evidence.expect(false, "\(proxy.rawValue), m = \(m), \(share) of the threshold: ended at \(place)")
        }
        evidence.summary = "\(cases.count) adversarial starts, all as stated; at most \(ends.map(\.steps).max() ?? 0) steps"
        evidence.catches = "a threshold off by 1 %"
        return evidence
    }

    static let shares = Claim(
        id: "shares", group: .descent,
        statement:
            "share of random starts with θ₀ < π that end at the global minimum, against x = s²/(½(m+1)‖v*‖²): one half at x = 0, by the "
            + "symmetry (v, θ) → (−v, π − θ), all from x = 1 on, and more at x = ¼ the larger m and n; f never rises with A5's η",
        proof: .measured, source: "Yin et al. ICLR 2019, theorem 2; Theory.md D",
        method:
            "4000 starts for each x and (m, n): v, w uniform on spheres, ‖v*‖ = 1; reduced five-number dynamics, ReLU, until R₊ or R₋ of "
            + "A7 is entered, so every run ends with a proof",
        argument: nil
    ) { settings, _, _ in
        var evidence = Evidence()
        let count = 4000, sizes = [(2, 3), (4, 6), (8, 12), (16, 32), (64, 64)], places = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 1, 1.03, 1.2]
        var table = DataTable(name: "shares", columns: ["m", "n", "x", "global", "runs", "low95", "high95"], blocks: [])
        var parts: [String] = [], undecided = 0
        for (block, (m, n)) in sizes.enumerated() {
            var rows: [[Double]] = []
            for (column, x) in places.enumerated() {
                let ends = try parallelMap(count, threads: settings.threads) { run -> Bool? in
                    var stream = Purpose.shares.stream(settings.seed, (block * 16 + column) << 16 | run)
                    return randomEnd(&stream, m: m, n: n, share: x)
                }
                let global = ends.count { $0 == true }, interval = clopperPearson(successes: global, trials: count)
                undecided += ends.count { $0 == nil }
                rows.append([Double(m), Double(n), x, Double(global) / Double(count), Double(count), interval.low, interval.high])
                if x >= 1 {
                    evidence.expect(global == count, "\(m)×\(n), x = \(x): \(count - global) of \(count) did not end at the global minimum")
                }
            }
            table.blocks.append(rows)
            // One half within six standard errors.
            let half = rows[0][3]
            evidence.expect(abs(half - 0.5) < 3 / Double(count).squareRoot(), "\(m)×\(n), x = 0: a share of \(half)")
            // At x = ¼ shares of neighbouring sizes are seven standard errors apart and more.
            if let before = table.blocks.dropLast().last {
                evidence.expect(
                    rows[2][3] > before[2][3], "\(m)×\(n), x = \(places[2]): a share of \(rows[2][3]), no more than \(before[2][3])")
            }
            parts.append("\(m)×\(n) " + rows.prefix(7).map { String(format: "%.1f", 100 * $0[3]) }.joined(separator: " "))
        }
        evidence.expect(undecided == 0, "\(undecided) runs undecided, or f rose")
        evidence.summary =
            "% at x = 0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97: \(parts.joined(separator: "; ")); from x = 1 on all of "
            + "\(3 * sizes.count * count); no rise of f"
        evidence.catches = "one start that ends elsewhere from x = 1 on; a rise of f"
        evidence.tables = [table]
        return evidence
    }
}

private func adversarialEnd(_ proxy: Proxy, m: Int, square: Double) -> (global: Bool?, steps: Int) {
    var state = ReducedDescent(
        stationaryAt: .pi - 1e-3, m: m, s: square.squareRoot(), squareTarget: 1, proxy: proxy, rate: min(4 / Double(m + 1), 0.1),
        normalized: true)
    for step in 1...400_000 {
        state.step()
        if state.isInGlobalBasin { return (true, step) }
        if state.theta > .pi - 1e-6 { return (false, step) }
    }
    return (nil, 400_000)
}

/// true: R₊; false: R₋; nil: neither within 4,000,000 steps, or f rose. At x = 1 the time goes as 1/(π − θ₀): of starts so near to π
/// that they take more there is one in 10¹⁰ with n = 3.
private func randomEnd(_ stream: inout Philox, m: Int, n: Int, share: Double) -> Bool? {
    // v* with ‖v*‖ = 1 and 1ᵀv* = s.
    let s = (share * Double(m + 1) / 2).squareRoot(), along = s / Double(m), raw = stream.normals(m), mean = raw.reduce(0, +) / Double(m)
    let across = raw.map { $0 - mean }, rest = max(0, 1 - s * along).squareRoot() / norm(across)
    let vStar = across.map { rest * $0 + along }, theta = stream.angle(n)
    var state = ReducedDescent(v: stream.direction(m), vStar: vStar, theta: theta, proxy: .relu, rate: 0, normalized: true)
    state.rate = SafeRate(state).rate(lengthAbove: 1)
    return state.basin(within: 4_000_000) { 1e-14 * (1 + $0) }
}
