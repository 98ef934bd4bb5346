// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    static let bitsIdentities = Claim(
        id: "bits-identities", group: .bits,
        statement:
            "α E g_α^{a.e.} = vᵀ∂f/∂v = α ∂f/∂α + ‖w‖ ∂f/∂‖w‖, so with v optimal the a.e. α-gradient is 0; LSQ: E g_lsq − ∂f/∂α = "
            + "(‖w‖/α)(∂f/∂‖w‖ − E g_clip·u); b = 1 is part 3; the true gradients are those of f",
        proof: .ours, source: "derived here (Euler's identity: f does not change when α and ‖w‖ grow together and v shrinks)",
        method:
            "600 random points, b = 1 … 4, and two of 8 bits: identities, central differences of f by ‖w‖, α and θ; b = 1 against items "
            + "1–4",
        faults: [
            Fault("∂f/∂α without the moving thresholds") { $0.bits.movesThresholds = false },
            Fault("LSQ's identity × 1.01") { $0.bits.rampFactor = 1.01 },
            Fault("T → T − α/‖w‖") { $0.bits.clipEnd = { Double($0 - 1) * $1 / $2 } }
        ],
        argument: BitsProofs.identities
    ) { settings, _, formulas in
        let trials = try parallelMap(602, threads: settings.threads) { trial -> IdentityTrial in
            var stream = Purpose.bitsIdentity.stream(settings.seed, trial)
            return IdentityTrial(&stream, bits: trial < 600 ? 1 + trial % 4 : 8, formulas)
        }
        var evidence = Evidence()
        func largest(_ path: KeyPath<IdentityTrial, Double>) -> Double { trials.map { $0[keyPath: path] }.worst }
        // Sums of up to K² probabilities to 1e-15 each; differences with steps of 1e-5: truncation and rounding are near 1e-10.
        evidence.expect(largest(\.euler) < 1e-11, "Euler's identity is off by \(format(largest(\.euler))) of its terms")
        evidence.expect(largest(\.optimal) < 1e-11, "with v optimal the a.e. gradient is \(format(largest(\.optimal))) of its terms")
        evidence.expect(largest(\.ramp) < 1e-11, "LSQ's identity is off by \(format(largest(\.ramp))) of its terms")
        evidence.expect(largest(\.differences) < 1e-7, "central differences are off by \(format(largest(\.differences)))")
        evidence.expect(largest(\.oneBit) < 1e-12, "b = 1 differs from items 1–4 by \(format(largest(\.oneBit)))")
        evidence.summary =
            "largest errors, relative to the terms: Euler \(format(largest(\.euler))), v optimal \(format(largest(\.optimal))), LSQ "
            + "\(format(largest(\.ramp))); central differences \(format(largest(\.differences))); b = 1 against items 1–4 "
            + "\(format(largest(\.oneBit)))"
        evidence.catches = "1e-11 of the terms; 1e-7 of a derivative"
        return evidence
    }

    static let angularTheorem = Claim(
        id: "angular-theorem", group: .bits,
        statement:
            "for any nondecreasing σ, σ* and any coarse derivative ≥ 0 the p̂-components of E g and ∂f/∂w are both −c times something ≥ "
            + "0: with scale-free pre-activations (batch norm) positivity holds for every b. Normalised descent at fixed α lowers f "
            + "if ηλ < 2 (λ = M + (m−1)μ²), r' = 1 − ηā > 0 (ā = E g·u), η|c|q ≤ 2r' sin θ and η²‖v*‖² max|dC/dθ| q ≤ 4r'(1 − ηλ/2)",
        constants: true, proof: .ours, source: "derived here; item 5 is b = 1",
        method:
            "signs of both components at 40,000 random points × 3 proxies, b = 1 … 4; Δf of 4800 normalised steps × 3 proxies, those "
            + "inside the condition, max|dC/dθ| over nine points of the turn; a point where f rises if r' is left out",
        faults: [
            Fault("the sign of E g's p̂-component") { $0.bits.angularSign = -1 },
            Fault("∂f/∂v: C → C/2 (step)") { $0.bits.crossFactor = 0.5 }
        ],
        argument: BitsProofs.angular
    ) { settings, _, formulas in
        var evidence = Evidence()
        let wrong = try parallelMap(40_000, threads: settings.threads) { index -> Int in
            var stream = Purpose.bitsAngle.stream(settings.seed, index)
            let draw = LevelDraw(&stream, bits: 1 + index % 4, near: index % 8 < 4, formulas.bits)
            let forms = LevelForms(draw.moments, v: draw.v, vStar: draw.vStar, cross: 0), turn = forms.turn
            return Proxy.allCases.count { formulas.bits.angularSign * forms.coarse($0).turn * turn < 0 }
        }.reduce(0, +)
        evidence.expect(wrong == 0, "\(wrong) of 120000 signs differ")
        let steps = try parallelMap(4800, threads: settings.threads) { index -> [LevelStep.Change] in
            var stream = Purpose.bitsAngle.stream(settings.seed, 1 << 20 | index)
            return LevelStep(&stream, bits: [1, 2, 2, 3][index % 4], formulas).changes
        }.flatMap { $0 }
        let inside = steps.filter(\.isInside).map(\.value), rises = inside.count { $0 > 1e-9 }
        let short = LevelStep(v: [1.45], vStar: [1], rate: 3.6, theta: 0.1, bits: 1, alpha: 1, alphaStar: 1, formulas).changes.first
        evidence.expect(rises == 0, "f rose at \(rises) steps inside the condition, by up to \(format(inside.worst)) of the terms")
        evidence.expect(inside.count > 500, "only \(inside.count) steps lay inside")
        evidence.expect(
            short.map { $0.isInsideWithoutLength && !$0.isInside && $0.value > 0.1 } == true, "f does not rise at the point without r'")
        evidence.summary =
            "\(wrong) of 120000 signs differ; \(inside.count) of \(steps.count) steps inside the condition, \(rises) rises, largest Δf "
            + "\(format(inside.worst)) of its terms; with 1 in place of r' it rises at m = 1, v = 1.45, θ = 0.1, η = 3.6, by "
            + "\(format(short?.value ?? 0))"
        evidence.catches = "one sign; a rise of 1e-9 of the terms"
        return evidence
    }
}

/// The identities at one random point, errors relative to the sizes of the terms.
private struct IdentityTrial: Sendable {
    var euler = 0.0
    var optimal = 0.0
    var ramp = 0.0
    var differences = 0.0
    var oneBit = 0.0

    init(_ stream: inout Philox, bits: Int, _ formulas: Formulas) {
        func power(_ low: Double, _ high: Double) -> Double { pow(10, low + (high - low) * stream.uniform()) }
        let v = stream.normals(4), vStar = stream.normals(4), scale = Double(1 << (bits - 1))
        let (alpha, alphaStar) = (power(-0.7, 0.5) / scale, power(-0.7, 0.5) / scale)
        let normW = power(-0.5, 0.5), theta = 0.05 + 3.04 * stream.uniform()
        func forms(_ alpha: Double, _ normW: Double, _ theta: Double) -> LevelForms {
            let moments = LevelMoments(bits: bits, alpha: alpha, normW: normW, theta: theta, alphaStar: alphaStar, formulas.bits)
            return LevelForms(moments, v: v, vStar: vStar)
        }
        let here = forms(alpha, normW, theta), moments = here.moments, size = here.loss + dot(v, v) * moments.square
        let ae = alpha * here.coarse(.almostEverywhere), (slopeAlpha, slopeLength) = (here.slope(.stepSize), here.slope(.length))
        euler = max(abs(ae - dot(v, here.gradientV(v, vStar))), abs(ae - alpha * slopeAlpha - normW * slopeLength)) / size
        let best = LevelForms(moments, v: moments.bestV(vStar, cross: here.cross), vStar: vStar, cross: here.cross)
        optimal = abs(alpha * best.coarse(.almostEverywhere)) / (best.loss + dot(vStar, vStar) * moments.squareStar)
        let right = formulas.bits.rampFactor * normW * (slopeLength - here.coarse(.clipped).radial)
        ramp = abs(alpha * (here.coarse(.learnedStep) - slopeAlpha) - right) / size
        // Eight bits take a million probabilities: three differences of f.
        let step = 1e-5
        func slope(_ f: (Double) -> Double) -> Double { (f(step) - f(-step)) / (2 * step) }
        differences =
            max(
                abs(slope { forms(alpha * (1 + $0), normW, theta).loss } - alpha * slopeAlpha),
                abs(slope { forms(alpha, normW * (1 + $0), theta).loss } - normW * slopeLength),
                abs(slope { forms(alpha, normW, theta + $0).loss } + normW * here.turn)) / size
        if bits == 1 {
            // α = α* = 1 is the step function of items 1–4, with the clipped ReLU's end at 1.
            let axis = [1.0, 0, 0], w = [normW * cos(theta), normW * sin(theta), 0]
            let point = TwoLayerPoint(v: v, vStar: vStar, w: w, wStar: axis)
            let level = LevelPoint(point: point, bits: 1, alpha: 1, alphaStar: 1)
            let pairs: [(LevelQuantity, Quantity)] =
                [(.loss, .loss), (.gradientV, .gradientV), (.gradientW, .gradientW)] + Proxy.allCases.map { (.coarse($0), $0.coarse) }
            for (mine, old) in pairs {
                let expected = formulas.value(old, at: point)
                oneBit = max(oneBit, norm(added(level.value(mine, formulas.bits), -1, expected)) / (1 + norm(expected)))
            }
        }
    }
}

/// One normalised step at fixed α with each proxy, but those that leave [0.02, π − 0.02].
private struct LevelStep: Sendable {
    struct Change: Sendable {
        /// Δf relative to its terms.
        let value: Double
        let isInside: Bool
        /// Of the condition with 1 in r's place.
        let isInsideWithoutLength: Bool
    }

    var changes: [Change] = []

    init(_ stream: inout Philox, bits: Int, _ formulas: Formulas) {
        func power(_ low: Double, _ high: Double) -> Double { pow(10, low + (high - low) * stream.uniform()) }
        let m = 1 + Int(8 * stream.uniform()), top = Double((1 << bits) - 1), theta = 0.05 + (.pi - 0.1) * stream.uniform()
        let vStar = scaled(stream.normals(m), by: power(-0.7, 0.7)), (alpha, alphaStar) = (power(-0.5, 0.75) / top, power(-0.5, 0.75) / top)
        let here = LevelMoments(bits: bits, alpha: alpha, normW: 1, theta: theta, alphaStar: alphaStar, formulas.bits), cross = here.cross
        var v = scaled(stream.normals(m), by: power(-1.5, 0.7))
        if stream.uniform() < 0.5 { v = added(here.bestV(vStar, cross: cross), power(-3, 0), v) }
        self.init(
            v: v, vStar: vStar, rate: power(-2, 1), theta: theta, bits: bits, alpha: alpha, alphaStar: alphaStar, formulas)
    }

    /// ‖w‖ = 1.
    init(
        v: [Double], vStar: [Double], rate: Double, theta: Double, bits: Int, alpha: Double, alphaStar: Double, _ formulas: Formulas
    ) {
        func moments(_ theta: Double) -> LevelMoments {
            LevelMoments(bits: bits, alpha: alpha, normW: 1, theta: theta, alphaStar: alphaStar, formulas.bits)
        }
        let here = moments(theta), cross = here.cross
        let c = dot(v, vStar), largest = here.square + Double(v.count - 1) * here.mean * here.mean
        let d = LevelForms(here, v: v, vStar: vStar, cross: formulas.bits.crossFactor * cross).gradientV(v, vStar), sum = d.reduce(0, +)
        for proxy in Proxy.allCases {
            let q = here.coarse(proxy).q, kept = 1 - rate * LevelForms(here, v: v, vStar: vStar, cross: cross).coarse(proxy).radial
            let next = turned(theta, by: atan2(rate * c * q, kept))
            guard next > 0.02, next < .pi - 0.02, rate * largest < 2, kept > 0 else { continue }
            let steepest = (0...8).map { moments(theta + (next - theta) * Double($0) / 8).crossTurn }.worst
            func holds(_ length: Double) -> Bool {
                rate * abs(c) * q <= 2 * length * sin(theta)
                    && rate * rate * dot(vStar, vStar) * steepest * q <= 4 * length * (1 - rate * largest / 2)
            }
            let moved = moments(next).cross - cross, common = here.mean * here.mean
            let quadratic = (here.square - common) * dot(d, d) + common * sum * sum
            // The exact change of f: quadratic in v at the old angle, then C moves at the new v.
            let slope = LevelForms(here, v: v, vStar: vStar, cross: cross).gradientV(v, vStar)
            let change = -rate * dot(slope, d) + rate * rate / 2 * quadratic - (c - rate * dot(d, vStar)) * moved
            changes.append(
                Change(
                    value: change / (rate * dot(d, d) + abs(c * moved) + 1e-300), isInside: holds(kept), isInsideWithoutLength: holds(1)))
        }
    }
}
