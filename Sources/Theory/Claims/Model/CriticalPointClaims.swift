// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// The critical points of item 7.
extension Claim {
    static let criticalPoints = Claim(
        id: "critical-points",
        statement:
            "global minimum, spurious minimum (when s² < ½(m+1)‖v*‖²) and saddle (vᵀv* = 0): ∂f/∂v and the ReLU and clipped-ReLU coarse "
            + "gradients vanish, the identity's does not at the spurious minimum",
        source: "METHOD.md item 7; Yin et al. 2019, proposition on critical points",
        method: "closed forms, Hessian by differences, 200 trials around each minimum; Monte Carlo T² that the measured gradients are zero",
        faults: [
            Fault("saddle angle × 1.01") { $0.saddleTheta = { $0.saddleTheta * 1.01 } },
            Fault("v × 1.01") { $0.stationaryV = { point, theta in scaled(point.stationaryV(theta: theta), by: 1.01) } },
            Fault("J dropped from v") { $0.stationaryV = { point, theta in scaled(point.vStar, by: 1 - 2 * theta / .pi) } },
            Fault("ReLU: h term × 1.01", Formulas.theory.scaling(.coarseReLU, term: 0, by: 1.01))
        ]
    ) { settings, _, formulas in
        var evidence = Evidence()
        var largest = 0.0, smallestIdentity = Double.infinity, vanished = 0
        for (index, size) in settings.dimensions.enumerated() {
            for trial in 0..<8 {
                var stream = Purpose.critical.stream(settings.seed, index << 8 | trial)
                let targets = Targets(&stream, size: size, spurious: true)
                let places = targets.places(&stream, formulas)
                largest = worse(largest, targets.residual(places, formulas))
                let identity = norm(formulas.value(.coarseIdentity, at: places.spurious))
                smallestIdentity = min(smallestIdentity, identity)
                if identity < 0.99 * targets.critical.identityLength { vanished += 1 }
                try targets.checkHessian(at: places.saddle, label: "\(size)", formulas, &evidence)
                targets.checkMinimum(at: places.global, "global minimum, \(size)", &stream, formulas, &evidence)
                targets.checkMinimum(at: places.spurious, "spurious minimum, \(size)", &stream, formulas, &evidence)
                if trial == 0 { try measure(places, size: size, index: index, settings, &evidence) }
                let without = Targets(&stream, size: size, spurious: false)
                without.checkNoMinimum(label: "\(size)", formulas, &evidence)
            }
        }
        // Sums of a few dozen products of order one: rounding stays below 1e-13.
        if largest > 1e-12 { evidence.violations.append("a gradient of \(format(largest)) at a critical point") }
        if vanished > 0 { evidence.violations.append("the identity's coarse gradient is too small at \(vanished) spurious minima") }
        evidence.catches = "gradients above 1e-12 of ‖v*‖²"
        evidence.summary =
            "\(8 * settings.dimensions.count) targets: largest gradient \(format(largest)), Hessian signs (m, 1, n − 1) of (+, −, 0), "
            + "smallest identity gradient at a spurious minimum \(format(smallestIdentity))"
        return evidence
    }

    /// Measured gradients at the saddle and the spurious minimum, tested against zero.
    private static func measure(
        _ places: Targets.Places, size: Dimensions, index: Int, _ settings: VerificationSettings, _ evidence: inout Evidence
    ) throws {
        let sampler = MonteCarlo(seed: settings.seed, threads: settings.threads)
        for (kind, point, quantities) in [
            ("saddle", places.saddle, [Quantity.gradientV, .gradientW, .coarseReLU, .coarseClipped]),
            ("spurious minimum", places.spurious, [.gradientV, .coarseReLU, .coarseClipped])
        ] {
            let experiment = Purpose.critical.experiment(2 * index + (kind == "saddle" ? 0 : 1))
            let estimates = try sampler.estimate(point, samples: max(settings.samples / 4, 1 << 18), experiment: experiment)
            for quantity in quantities {
                let zero = [Double](repeating: 0, count: quantity == .gradientV ? point.m : point.n)
                evidence.tests.append(
                    ClaimTest(label: "\(quantity.rawValue) at the \(kind), \(size)", result: try estimates.test(quantity, expected: zero)))
            }
        }
    }
}

/// Random targets v*, w* that have, or have not, a spurious minimum.
private struct Targets {
    struct Places {
        let global: TwoLayerPoint
        let spurious: TwoLayerPoint
        let saddle: TwoLayerPoint
    }

    let critical: CriticalPoints
    let wStar: [Double]

    init(_ stream: inout Philox, size: Dimensions, spurious: Bool) {
        var vStar: [Double]
        repeat {
            vStar = stream.normals(size.m)
            if !spurious { vStar = vStar.map { 1 + 0.3 * $0 } }  // nearly parallel to 1: s² is as large as it gets
        } while CriticalPoints(vStar: vStar).hasSpuriousMinimum != spurious
        critical = CriticalPoints(vStar: vStar)
        wStar = stream.direction(size.n)
    }

    func places(_ stream: inout Philox, _ formulas: Formulas) -> Places {
        let theta = formulas.saddleTheta(critical)
        func point(_ v: [Double], _ w: [Double]) -> TwoLayerPoint {
            TwoLayerPoint(v: v, vStar: critical.vStar, w: w, wStar: wStar)
        }
        return Places(
            global: point(critical.vStar, wStar),
            spurious: point(formulas.stationaryV(critical, .pi), scaled(wStar, by: -1)),
            saddle: point(formulas.stationaryV(critical, theta), stream.direction(at: theta, from: wStar)))
    }

    /// The largest entry of what must vanish, relative to ‖v*‖ (‖v*‖² for the coarse gradients and vᵀv*).
    func residual(_ places: Places, _ formulas: Formulas) -> Double {
        let size = norm(critical.vStar)
        var largest = abs(places.saddle.overlap) / (size * size)
        largest = worse(largest, norm(formulas.value(.gradientW, at: places.saddle)) / (size * size))
        for point in [places.global, places.spurious, places.saddle] {
            largest = worse(largest, norm(formulas.value(.gradientV, at: point)) / size)
            for quantity in [Quantity.coarseReLU, .coarseClipped] {
                largest = worse(largest, norm(formulas.value(quantity, at: point)) / (size * size))
            }
        }
        return largest
    }

    /// m positive, one negative and n − 1 zero eigenvalues of the Hessian in (v, w), by central differences of the gradients.
    func checkHessian(at point: TwoLayerPoint, label: String, _ formulas: Formulas, _ evidence: inout Evidence) throws {
        let (m, n, step) = (point.m, point.n, 1e-5)
        func gradient(_ x: [Double]) -> [Double] {
            let moved = point.moved(v: Array(x[0..<m]), w: Array(x[m...]))
            return formulas.value(.gradientV, at: moved) + formulas.value(.gradientW, at: moved)
        }
        let x = point.v + point.w
        let columns = (0..<(m + n)).map { j in
            var (up, down) = (x, x)
            up[j] += step
            down[j] -= step
            return scaled(added(gradient(up), -1, gradient(down)), by: 1 / (2 * step))
        }
        let values = try Matrix(rows: m + n, columns: m + n) { (columns[$0][$1] + columns[$1][$0]) / 2 }.symmetricEigenvalues()
        // Differences with step 1e-5 carry an error near 1e-9; the smallest nonzero eigenvalues are above 1e-4.
        let counts = (values.filter { $0 > 1e-6 }.count, values.filter { $0 < -1e-6 }.count)
        if counts != (m, 1) {
            evidence.violations.append(
                "Hessian at the saddle, \(label): \(counts.0) positive and \(counts.1) negative eigenvalues, expected \(m) and 1")
        }
    }

    private func loss(_ v: [Double], _ w: [Double], _ formulas: Formulas) -> Double {
        formulas.value(.loss, at: TwoLayerPoint(v: v, vStar: critical.vStar, w: w, wStar: wStar))[0]
    }

    /// f is larger at 200 points around.
    func checkMinimum(
        at point: TwoLayerPoint, _ label: String, _ stream: inout Philox, _ formulas: Formulas, _ evidence: inout Evidence
    ) {
        let f = loss(point.v, point.w, formulas)
        for _ in 0..<200 {
            let v = added(point.v, 1e-3 * norm(critical.vStar), stream.direction(point.m))
            let w = added(point.w, 1e-3, stream.direction(point.n))
            let rise = loss(v, w, formulas) - f
            if rise <= 0 {
                evidence.violations.append("f falls by \(format(-rise)) beside the \(label)")
                return
            }
        }
    }

    /// Without the condition, the stationary v at θ = π is no minimum: f falls as θ leaves π.
    func checkNoMinimum(label: String, _ formulas: Formulas, _ evidence: inout Evidence) {
        let v = formulas.stationaryV(critical, .pi), w = scaled(wStar, by: -1)
        var across = [Double](repeating: 0, count: w.count)
        across[abs(w[0]) < 0.9 ? 0 : 1] = 1
        let change = loss(v, added(w, 1e-3, across), formulas) - loss(v, w, formulas)
        if change >= 0 { evidence.violations.append("θ = π is a minimum although s² ≥ ½(m+1)‖v*‖², \(label)") }
    }
}
