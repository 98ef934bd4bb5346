// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// One normalised descent to its limit.
struct DescentEnd: Sendable {
    let isGlobal: Bool
    let largestRise: Double
    /// What contradicts the theory, if anything does.
    let fault: String?

    init(_ stream: inout Philox, size: Dimensions, theta: Double, _ formulas: Formulas) {
        var vStar = stream.direction(size.m)
        while abs(CriticalPoints(vStar: vStar).thresholdShare - 1) < 0.02 { vStar = stream.direction(size.m) }
        let wStar = stream.direction(size.n)
        var point = TwoLayerPoint(
            v: stream.direction(size.m), vStar: vStar, w: stream.direction(at: theta, from: wStar), wStar: wStar)
        let descent = CoarseDescent(rate: 0.1, normalized: true)
        var f = formulas.value(.loss, at: point)[0]
        var rise = 0.0, ended = false
        // The loss is a sum of terms of order m rounded at 1e-16 each.
        let rounding = 1e-14 * Double(size.m + 1)
        // A limit is reached when the angle and ∂f/∂v are within 1e-4; the slow runs pass beside the saddle.
        for _ in 0..<100_000 where !ended && rise <= rounding {
            point = descent.step(point, formulas: formulas)
            let next = formulas.value(.loss, at: point)[0]
            rise = max(rise, next - f)
            f = next
            let slope = norm(formulas.value(.gradientV, at: point))
            ended = min(point.theta, .pi - point.theta) < 1e-4 && slope < 1e-4
        }
        isGlobal = point.theta < .pi / 2
        largestRise = rise
        let critical = CriticalPoints(vStar: vStar)
        let limit = isGlobal ? vStar : critical.spuriousV
        if rise > rounding {
            fault = "f rose by \(format(rise))"
        } else if !ended {
            fault = "no limit after 100000 steps from θ0 = \(format(theta)): θ = \(format(point.theta))"
        } else if !isGlobal && !critical.hasSpuriousMinimum {
            fault = "ended at θ = π where there is no spurious minimum"
        } else if norm(added(point.v, -1, limit)) > 1e-3 {
            fault = "v ended \(format(norm(added(point.v, -1, limit)))) from the minimum's"
        } else {
            fault = nil
        }
    }
}

/// One descent with free ‖w‖ (ReLU proxy).
struct FreeDescent: Sendable {
    var smallestNorm = Double.infinity
    var largestRise = 0.0
    /// The smallest `η(|a| + |b|)/‖w‖` of a step at which f rose.
    var stepAtRise = Double.infinity
    /// (ηt, ‖w‖, f, θ), about 600 points.
    var curve: [[Double]]?

    init(_ stream: inout Philox, size: Dimensions, rate: Double, _ formulas: Formulas, keepCurve: Bool) {
        let vStar = stream.normals(size.m), wStar = stream.direction(size.n)
        var point = TwoLayerPoint(v: stream.normals(size.m), vStar: vStar, w: stream.direction(size.n), wStar: wStar)
        let descent = CoarseDescent(rate: rate, normalized: false)
        var f = formulas.value(.loss, at: point)[0]
        if keepCurve { curve = [] }
        let steps = Int(60 / rate), every = max(1, steps / 600)
        for step in 0..<steps {
            if keepCurve && step % every == 0 { curve?.append([rate * Double(step), point.normW, f, point.theta]) }
            // E g = a u − b sin θ p̂.
            let a = Proxy.relu.direction(
                h: point.h, squareV: dot(point.v, point.v), overlap: point.overlap, theta: point.theta, normW: point.normW
            ).radial
            let relative = rate * (abs(a) + abs(point.overlap) * Proxy.relu.qLimit) / point.normW
            point = descent.step(point, formulas: formulas)
            let next = formulas.value(.loss, at: point)[0]
            // Rounding of f is near 1e-16 of its terms, of order m².
            if next - f > 1e-12 {
                largestRise = worse(largestRise, next - f)
                stepAtRise = min(stepAtRise, relative)
            }
            f = next
            smallestNorm = min(smallestNorm, point.normW)
        }
    }
}

/// Descent from beside a spurious minimum with the three proxies, w not normalised.
struct SpuriousDeparture: Sendable {
    /// Error of the predicted E g_id at the minimum, relative to ‖v*‖².
    let vectorError: Double
    /// The farthest that ReLU and clipped ReLU moved in (θ, v/‖v*‖).
    let stayedWithin: Double
    let identityLeft: Bool
    /// The largest change of the angle with the identity.
    let identityWent: Double

    init(_ stream: inout Philox, size: Dimensions, _ formulas: Formulas) {
        let vStar = targetInsideTheCondition(&stream, m: size.m), wStar = stream.direction(size.n)
        let critical = CriticalPoints(vStar: vStar), v = formulas.stationaryV(critical, .pi)
        let minimum = TwoLayerPoint(v: v, vStar: vStar, w: scaled(wStar, by: -1), wStar: wStar)
        let length = critical.identityLength
        vectorError = norm(added(formulas.value(.coarseIdentity, at: minimum), -length, minimum.u))

        let start = minimum.moved(
            v: added(v, 1e-3, stream.direction(size.m)), w: stream.direction(at: .pi - 1e-3, from: wStar))
        func farthest(_ proxy: Proxy, time: Double) -> (distance: Double, angle: Double) {
            let descent = CoarseDescent(proxy: proxy, rate: 0.05, normalized: false)
            var point = start, distance = 0.0, angle = 0.0
            for _ in 0..<Int(time / descent.rate) {
                point = descent.step(point, formulas: formulas)
                angle = max(angle, .pi - point.theta)
                distance = max(distance, max(.pi - point.theta, norm(added(point.v, -1, v))))
            }
            return (distance, angle)
        }
        stayedWithin = max(farthest(.relu, time: 60).distance, farthest(.clipped, time: 60).distance)
        let left = farthest(.identity, time: 6 / length)
        identityWent = left.angle
        identityLeft = left.angle > 0.5  // ten times what counts as staying
    }
}

/// f and θ along descent from several starts of the first (m, n): blocks of (step, f, θ).
func descentCurves(_ settings: VerificationSettings, _ formulas: Formulas) -> DataTable {
    let size = settings.dimensions[0]
    let blocks = (0..<8).map { run -> [[Double]] in
        var stream = Purpose.descent.stream(settings.seed, 0xffff << 16)
        let vStar = stream.direction(size.m), wStar = stream.direction(size.n)
        var own = Purpose.descent.stream(settings.seed, 0xfffe << 16 | run)
        var point = TwoLayerPoint(
            v: own.direction(size.m), vStar: vStar, w: own.direction(at: .pi * (Double(run) + 0.5) / 8, from: wStar), wStar: wStar)
        let descent = CoarseDescent(rate: 0.1, normalized: true)
        return (0...600).map { step in
            defer { point = descent.step(point, formulas: formulas) }
            return [Double(step), formulas.value(.loss, at: point)[0], point.theta]
        }
    }
    return DataTable(name: "descent_curves", columns: ["step", "loss", "theta"], blocks: blocks)
}

/// (θ, vᵀv*) along descent. With s = 0 and ‖v*‖ = 1 the pair obeys an equation of its own, so paths do not cross:
/// `d(vᵀv*) = −¼(vᵀv* − (1 − 2θ/π))`, `dθ = −vᵀv* sin θ/(2√(2π))`.
func phasePortrait(_ settings: VerificationSettings, _ formulas: Formulas) -> DataTable {
    let vStar = [0.5, -0.5, 0.5, -0.5], wStar = [1.0, 0, 0]
    let descent = CoarseDescent(rate: 0.1, normalized: true)
    var blocks: [[[Double]]] = []
    for overlap in [-1.0, -0.5, 0, 0.5, 1.0] {
        for theta in (0..<7).map({ Double.pi * (Double($0) + 0.5) / 7 }) {
            var point = TwoLayerPoint(v: scaled(vStar, by: overlap), vStar: vStar, w: [cos(theta), sin(theta), 0], wStar: wStar)
            var block: [[Double]] = []
            for step in 0..<500 {
                if step % 4 == 0 { block.append([point.theta, point.overlap]) }
                point = descent.step(point, formulas: formulas)
            }
            blocks.append(block)
        }
    }
    return DataTable(name: "phase_portrait", columns: ["theta", "overlap"], blocks: blocks)
}
