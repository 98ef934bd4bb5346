// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    /// Theory.md A1.
    static let proposition1 = Claim(
        id: "proposition-1", group: .literature,
        statement:
            "min_v f = φ(k) = (1−k)[(1+k)N + (1−k)a]/8, N = ‖v*‖², a = s²/(m+1), strictly concave in k = 1 − 2θ/π; the saddle is its "
            + "maximum, with loss N²/(8(N−a)); the spurious minimum has loss a/2; the barrier between them is (N−2a)²/(8(N−a)). With "
            + "s = 0 the ‘spurious’ minimum is global; m = 1 has none",
        constants: true, proof: .ours, source: "Yin et al. ICLR 2019, proposition 1; completed here",
        method:
            "400 random targets, m = 1 … 16: f at 20 random angles with the minimising v, at 20 random v beside it, and at the critical "
            + "points; relative to N",
        faults: [
            Fault("m+1 → m") { theory in
                theory.literature.landscape = {
                    let m = Double($0.vStar.count)
                    return LossLandscape(square: dot($0.vStar, $0.vStar), a: $0.a * (m + 1) / m)
                }
            },
            Fault("spurious loss: ½ → 1") { theory in
                theory.literature.landscape = {
                    var landscape = LossLandscape($0)
                    landscape.spuriousLoss *= 2
                    return landscape
                }
            }
        ],
        argument: LiteratureProofs.proposition1
    ) { settings, _, formulas in
        let targets = try parallelMap(400, threads: settings.threads) { trial -> LandscapeTrial in
            var stream = Purpose.landscape.stream(settings.seed, trial)
            return LandscapeTrial(&stream, m: 1 + trial % 16, formulas)
        }
        var evidence = Evidence()
        let error = targets.map(\.error).worst, below = targets.map(\.below).worst
        let zeroSum = targets.map(\.zeroSumLoss).worst
        // Sums of a few dozen products of order N, each rounded at 1e-16.
        evidence.expect(error < 1e-12, "f differs from the closed forms by \(format(error)) N")
        evidence.expect(below < 1e-12, "f lies \(format(below)) N below φ")
        evidence.expect(zeroSum < 1e-12, "with s = 0 the loss at θ = π is \(format(zeroSum)) N")
        let alone = targets.count { $0.m == 1 && $0.hasSpurious }
        evidence.expect(alone == 0, "a spurious minimum with m = 1")
        evidence.summary =
            "largest difference from the closed forms \(format(error)) N, f below φ by at most \(format(below)) N; "
            + "\(targets.count(where: \.hasSpurious)) of 400 targets have a saddle; loss at θ = π with s = 0: at most \(format(zeroSum)) N"
        evidence.catches = "1e-12 ‖v*‖²"
        return evidence
    }
}

/// f against the closed forms at one random target.
private struct LandscapeTrial: Sendable {
    let m: Int
    let hasSpurious: Bool
    /// Of the closed forms, relative to N.
    var error = 0.0
    /// How far f lies below φ, relative to N.
    var below = 0.0
    /// The loss at θ = π for a target with s = 0, relative to its N.
    let zeroSumLoss: Double

    init(_ stream: inout Philox, m: Int, _ formulas: Formulas) {
        self.m = m
        let vStar = stream.normals(m), critical = CriticalPoints(vStar: vStar), wStar = stream.direction(3)
        hasSpurious = critical.hasSpuriousMinimum
        let landscape = formulas.literature.landscape(critical), size = landscape.square
        func loss(_ v: [Double], _ theta: Double, _ target: [Double]) -> Double {
            let w = theta == .pi ? scaled(wStar, by: -1) : stream.direction(at: theta, from: wStar)
            return formulas.value(.loss, at: TwoLayerPoint(v: v, vStar: target, w: w, wStar: wStar))[0]
        }
        for _ in 0..<20 {
            let theta = Double.pi * stream.uniform(), k = 1 - 2 * theta / .pi, v = critical.stationaryV(theta: theta)
            error = max(error, abs(loss(v, theta, vStar) - landscape.minimum(k: k)) / size)
            let beside = added(v, pow(10, -4 * stream.uniform()) * size.squareRoot(), stream.normals(m))
            below = max(below, (landscape.minimum(k: k) - loss(beside, theta, vStar)) / size)
        }
        let spurious = loss(critical.spuriousV, .pi, vStar)
        error = max(error, abs(spurious - landscape.spuriousLoss) / size)
        if hasSpurious {
            let saddle = loss(critical.stationaryV(theta: critical.saddleTheta), critical.saddleTheta, vStar)
            let k = 1 - 2 * critical.saddleTheta / .pi
            for difference in [saddle - landscape.saddleLoss, saddle - spurious - landscape.barrier, (k - landscape.saddleK) * size] {
                error = max(error, abs(difference) / size)
            }
        }
        let centred = vStar.map { $0 - vStar.reduce(0, +) / Double(m) }
        let without = CriticalPoints(vStar: centred)
        zeroSumLoss = m == 1 ? 0 : loss(without.spuriousV, .pi, centred) / dot(centred, centred)
    }
}
