// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Inequalities attacked by a quasi-random sweep and by GSL's minimiser over v, v*, w and w*.
extension Claim {
    /// Sign of ⟨E g, ∂f/∂w⟩ as items 3 and 4 give it (item 5 is not used).
    static let positivity = Claim(
        id: "positivity", statement: "⟨E g, ∂f/∂w⟩ ≥ 0 everywhere, for all three proxies, and equals item 5",
        source: "METHOD.md items 3–5",
        method: "smallest cosine found by a Halton sweep over many m, n, angles near 0, π/2 and π, and by Nelder–Mead",
        faults: [
            Fault("ReLU: w* term with the wrong sign", Formulas.theory.scaling(.coarseReLU, term: 2, by: -1)),
            Fault("ReLU: w* term × 1.01", Formulas.theory.scaling(.coarseReLU, term: 2, by: 1.01)),
            Fault("clipped ReLU: p and q exchanged", Formulas.theory.exchangingPAndQ(in: .coarseClipped)),
            Fault("identity: w* term with the wrong sign", Formulas.theory.scaling(.coarseIdentity, term: 1, by: -1))
        ]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var parts: [String] = []
        var mismatch = 0.0
        for proxy in Proxy.allCases {
            let found = try adversarialMinimum(settings) { cosine(proxy, at: $0, formulas).cosine }
            let worst = try sweep(settings) { cosine(proxy, at: $0, formulas).mismatch }.map(\.value).reduce(0, worse)
            mismatch = worse(mismatch, worst)
            parts.append("\(proxy.rawValue) \(format(found.value))")
            // Rounding of an inner product of unit vectors with up to 64 entries is below 1e-14; the tangent's is 1e-13.
            if found.value < -1e-12 {
                evidence.violations.append("\(proxy.rawValue): cosine \(format(found.value)) at θ = \(found.point.theta)")
            }
            if worst > 1e-9 {
                evidence.violations.append("\(proxy.rawValue): items 3 and 4 differ from item 5 by \(format(worst)) of the norms")
            }
        }
        evidence.catches = "cosine < −1e-12; 1e-9 of the norms"
        evidence.summary = "smallest cosine found: \(parts.joined(separator: ", ")); items 3·4 equal item 5 to \(format(mismatch))"
        return evidence
    }

    /// Item 6.
    static let bound = Claim(
        id: "bound", statement: "‖E g_relu‖² ≤ A‖∂f/∂v‖² + B⟨E g_relu, ∂f/∂w⟩ with A = 4‖v‖²/π, B = 2√(2π)(¼ + 2/π²)‖w‖",
        proof: .ours, source: "METHOD.md item 6 (derived; the paper asserts only that constants exist)",
        method: "largest left/right ratio found by the same sweep and minimiser",
        faults: [
            Fault("A and B × 0.59") { $0.boundConstants = { ($0.boundConstants.a * 0.59, $0.boundConstants.b * 0.59) } },
            Fault("A × ½") { $0.boundConstants = { ($0.boundConstants.a / 2, $0.boundConstants.b) } },
            Fault("B × ½") { $0.boundConstants = { ($0.boundConstants.a, $0.boundConstants.b / 2) } },
            Fault("A dropped") { $0.boundConstants = { (0, $0.boundConstants.b) } },
            Fault("B dropped") { $0.boundConstants = { ($0.boundConstants.a, 0) } }
        ],
        argument: ModelProofs.bound
    ) { settings, _, formulas in
        var evidence = Evidence()
        let found = try adversarialMinimum(settings) { point in
            let constants = formulas.boundConstants(point)
            return -boundRatio(.coarseReLU, at: point, a: constants.a / dot(point.v, point.v), b: constants.b, formulas)
        }
        let ratio = -found.value
        evidence.summary =
            "largest ratio found \(String(format: "%.6f", ratio)) at m = \(found.point.m), n = \(found.point.n), θ = "
            + "\(format(found.point.theta)): both constants have a factor \(String(format: "%.3f", 1 / ratio)) to spare"
        evidence.catches = "constants too small by \(String(format: "%.3g", 1 / ratio))"
        if ratio > 1 + 1e-9 { evidence.violations.append("ratio \(format(ratio)) at θ = \(found.point.theta)") }
        return evidence
    }

    /// The cosine between E g and ∂f/∂w, and how far their product is from item 5, in units of the two norms.
    private static func cosine(_ proxy: Proxy, at point: TwoLayerPoint, _ formulas: Formulas) -> (cosine: Double, mismatch: Double) {
        let g = formulas.value(proxy.coarse, at: point), d = formulas.value(.gradientW, at: point)
        let scale = norm(g) * norm(d)
        // Where a gradient is rounding noise there is no angle to speak of; what is no number is no noise.
        if scale <= 1e-20 || norm(g) <= 1e-12 * (dot(point.v, point.v) + point.sumV * point.sumV) { return (1, 0) }
        let product = dot(g, d), mismatch = abs(product - formulas.value(proxy.correlation, at: point)[0]) / scale
        return (product / scale).isFinite && mismatch.isFinite ? (product / scale, mismatch) : (-.infinity, .infinity)
    }
}

/// The points of the quasi-random sweep with the function's value at each: 300 Halton points for each of seven (m, n),
/// half of them moved to an angle near 0, π/2 or π.
func sweep(
    _ settings: VerificationSettings, _ f: @Sendable (TwoLayerPoint) -> Double
) throws -> [(point: TwoLayerPoint, value: Double)] {
    let sizes = [(1, 2), (2, 2), (2, 5), (4, 6), (8, 16), (16, 32), (32, 64)]
    let right = Double.pi / 2
    let angles: [Double] = [1e-6, 1e-3, 0.05, right - 1e-6, right, right + 1e-6, .pi - 0.05, .pi - 1e-3, .pi - 1e-6]
    return try sizes.flatMap { m, n in
        let points = try haltonPoints(count: 300, dimension: 2 * m + 2 * n).enumerated().map { index, uniform in
            let x = uniform.map { -Distribution.normalQuantile(tail: min(max($0, 1e-12), 1 - 1e-12)) }
            let point = unpacked(x, m: m, n: n)
            return index % 2 == 0 ? point : turned(point, to: angles[index / 2 % angles.count])
        }
        let values = try parallelMap(points.count, threads: settings.threads) { f(points[$0]) }
        return zip(points, values).map { ($0, $1) }
    }
}

/// The point with w turned, in the plane of w and w*, to the angle `theta` from w*.
private func turned(_ point: TwoLayerPoint, to theta: Double) -> TwoLayerPoint {
    let across = added(point.u, -dot(point.u, point.wStar), point.wStar)
    let u = added(scaled(point.wStar, by: cos(theta)), sin(theta) / norm(across), across)
    return point.moved(v: point.v, w: scaled(u, by: point.normW))
}

/// v, v*, w and w* from one vector of 2m + 2n numbers.
private func unpacked(_ x: [Double], m: Int, n: Int) -> TwoLayerPoint {
    TwoLayerPoint(
        v: Array(x[0..<m]), vStar: Array(x[m..<2 * m]), w: Array(x[(2 * m)..<(2 * m + n)]), wStar: Array(x[(2 * m + n)...]))
}

/// The smallest value found by the sweep and by Nelder–Mead from its 16 best small starts (at most 20 unknowns) and
/// 16 random ones.
func adversarialMinimum(
    _ settings: VerificationSettings, _ f: @escaping @Sendable (TwoLayerPoint) -> Double
) throws -> (point: TwoLayerPoint, value: Double) {
    let swept = try sweep(settings, f).sorted { $0.value < $1.value }
    var starts = swept.filter { 2 * ($0.point.m + $0.point.n) <= 20 }.prefix(16).map(\.point)
    for index in 0..<16 {
        var stream = Purpose.search.stream(settings.seed, index)
        let (m, n) = (1 + index % 4, 2 + index % 3)
        starts.append(unpacked(stream.normals(2 * m + 2 * n), m: m, n: n))
    }
    let finalStarts = starts
    let minima = try parallelMap(starts.count, threads: settings.threads) { index -> (point: TwoLayerPoint, value: Double) in
        let start = finalStarts[index]
        let x = start.v + start.vStar + start.w + start.wStar
        let best = try minimize(from: x, step: 0.3, iterations: 1000) { x in
            // The model does not exist at w = 0, and its correlations scale away there: keep to a sane region.
            let w = norm(Array(x[(2 * start.m)..<(2 * start.m + start.n)])), wStar = norm(Array(x[(2 * start.m + start.n)...]))
            guard w > 0.05, w < 20, wStar > 0.05, wStar < 20 else { return 1e6 }
            return f(unpacked(x, m: start.m, n: start.n))
        }
        return (unpacked(best.point, m: start.m, n: start.n), best.value)
    }
    return (minima + [swept[0]]).min { $0.value < $1.value }!
}
