// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// A random point of the sweeps, ‖w‖ = 1: Kα and Kα* log-uniform on [0.5, 5.6], θ uniform, m from 1 to 64.
struct LevelDraw {
    let moments: LevelMoments
    let v: [Double]
    let vStar: [Double]

    /// - Parameter near: α within a factor e^{0.2 N(0,1)} of α*, else independent.
    init(_ stream: inout Philox, bits: Int, near: Bool, _ formulas: BitsFormulas) {
        let m = [1, 2, 3, 5, 8, 16, 64][Int(7 * stream.uniform())], top = Double((1 << bits) - 1)
        v = scaled(stream.normals(m), by: pow(10, stream.uniform() - 0.5))
        vStar = stream.normals(m)
        let end = pow(10, 1.05 * stream.uniform() - 0.3), other = pow(10, 1.05 * stream.uniform() - 0.3)
        moments = LevelMoments(
            bits: bits, alpha: end / top, normW: 1, theta: 0.02 + (.pi - 0.04) * stream.uniform(),
            alphaStar: (near ? end * exp(0.2 * stream.normal()) : other) / top, formulas)
    }
}

/// Shares of ⟨E g, ∂f/∂w⟩ < 0 at random points, in words; the product's parts along u and p̂.
func negativeShares(_ settings: VerificationSettings, _ formulas: Formulas) throws -> String {
    try [(bits: 2, count: 40_000), (bits: 4, count: 20_000)].map { bits, count in
        let products = try parallelMap(count, threads: settings.threads) { index -> [Double] in
            var stream = Purpose.bitsSigns.stream(settings.seed, bits << 24 | index)
            let draw = LevelDraw(&stream, bits: bits, near: index % 2 == 0, formulas.bits)
            // ∂f/∂‖w‖ needs no C, so none is computed.
            let forms = LevelForms(draw.moments, v: draw.v, vStar: draw.vStar, cross: 0)
            let (radial, turn) = (forms.slope(.length), forms.turn)
            return Proxy.allCases.map { proxy in
                let g = forms.coarse(proxy)
                return (g.radial * radial + g.turn * turn) / (hypot(g.radial, g.turn) * hypot(radial, turn))
            }
        }
        let shares = Proxy.allCases.enumerated().map { k, proxy in
            let negative = products.count { $0[k] < -1e-9 }, interval = clopperPearson(successes: negative, trials: count)
            return String(
                format: "%@ %.2f %% [%.2f, %.2f]", proxy.rawValue, 100 * Double(negative) / Double(count), 100 * interval.low,
                100 * interval.high)
        }
        return "⟨E g, ∂f/∂w⟩ < 0 with b = \(bits): \(shares.joined(separator: ", "))"
    }.joined(separator: "; ")
}

/// Shares of E g_α·∂f/∂α < 0 for each rule: in words, and (b, optimal, rule, share, n).
func wrongSigns(_ settings: VerificationSettings, _ formulas: Formulas) throws -> (text: String, table: DataTable) {
    var parts: [String] = [], rows: [[Double]] = []
    for (bits, count) in [(1, 8000), (2, 6000), (4, 3000)] {
        let signs = try parallelMap(count, threads: settings.threads) { index -> [[Bool]] in
            var stream = Purpose.bitsSigns.stream(settings.seed, 1 << 32 | bits << 24 | index)
            let draw = LevelDraw(&stream, bits: bits, near: false, formulas.bits), cross = draw.moments.cross
            return [draw.v, draw.moments.bestV(draw.vStar, cross: cross)].map { v in
                let forms = LevelForms(draw.moments, v: v, vStar: draw.vStar, cross: cross), slope = forms.slope(.stepSize)
                return StepSizeRule.allCases.map { forms.coarse($0) * slope < 0 }
            }
        }
        let texts = StepSizeRule.allCases.enumerated().map { k, rule -> String in
            let wrong = (0...1).map { optimal in signs.count { $0[optimal][k] } }
            // With v optimal the a.e. rule's value is 0, as with one bit is ∂f/∂α: signs are those of rounding.
            let vanishes = rule == .almostEverywhere || bits == 1
            for optimal in 0...(vanishes ? 0 : 1) {
                rows.append([Double(bits), Double(optimal), Double(k), Double(wrong[optimal]) / Double(count), Double(count)])
            }
            let second = vanishes ? "–" : String(format: "%.1f %%", 100 * Double(wrong[1]) / Double(count))
            return String(format: "%@ %.1f %% / ", rule.rawValue, 100 * Double(wrong[0]) / Double(count)) + second
        }
        parts.append("b = \(bits): " + texts.joined(separator: ", "))
    }
    return (
        parts.joined(separator: "; "),
        DataTable(name: "alpha_signs", columns: ["bits", "v_optimal", "rule", "wrong", "points"], blocks: [rows])
    )
}

/// Share of wrong signs with v optimal over (θ, α/α*), b = 2 and 4: one block a rule and b, rows (θ, α/α*, share).
func signMap(_ settings: VerificationSettings, _ formulas: Formulas) throws -> DataTable {
    let rules = StepSizeRule.allCases.filter { $0 != .almostEverywhere }, (columns, rows) = (20, 21), (scales, targets) = (8, 8)
    var blocks: [[[Double]]] = []
    for bits in [2, 4] {
        let cells = try parallelMap(columns * rows, threads: settings.threads) { cell -> [Double] in
            var stream = Purpose.bitsSigns.stream(settings.seed, 2 << 32 | bits << 24 | cell)
            let theta = .pi * (Double(cell % columns) + 0.5) / Double(columns)
            let ratio = pow(4, 2 * Double(cell / columns) / Double(rows - 1) - 1)
            var wrong = [Double](repeating: 0, count: rules.count)
            for _ in 0..<scales {
                let alphaStar = pow(10, 1.05 * stream.uniform() - 0.3) / Double((1 << bits) - 1)
                let moments = LevelMoments(
                    bits: bits, alpha: ratio * alphaStar, normW: 1, theta: theta, alphaStar: alphaStar, formulas.bits)
                let cross = moments.cross, changes = rules.map { moments.stepSize($0, cross: cross) }
                for target in 0..<targets {
                    let vStar = stream.normals([1, 2, 4, 8, 16, 3, 6, 32][target]), v = moments.bestV(vStar, cross: cross)
                    let forms = LevelForms(moments, v: v, vStar: vStar, cross: cross), slope = forms.slope(.stepSize)
                    for k in rules.indices where forms.combined(changes[k]) * slope < 0 { wrong[k] += 1 / Double(scales * targets) }
                }
            }
            return [theta, ratio] + wrong
        }
        blocks += rules.indices.map { k in cells.map { [$0[0], $0[1], $0[2 + k]] } }
    }
    return DataTable(name: "alpha_sign_map", columns: ["theta", "ratio", "wrong"], blocks: blocks)
}
