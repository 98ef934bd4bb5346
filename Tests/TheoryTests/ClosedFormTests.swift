// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics
import Testing

/// The closed forms against one-dimensional quadrature of the definitions, and derivatives against finite differences.
///
/// With a = Z_i·w = ‖w‖x and b = Z_i·w* = x cos θ + y sin θ, x and y independent normals along u and p̂, only expectations over
/// one row are needed: rows are independent, `P(b > 0 | x) = Φ(x cot θ)` and `E[y 1{b > 0} | x] = φ(x cot θ)`.
@Suite struct ClosedFormTests {
    static let points = [0.4, 1.2, Double.pi / 2, 2.0, 2.9].enumerated().map {
        randomPoint(m: 3 + $0.offset, n: 4, theta: $0.element, length: 0.4 + 0.5 * Double($0.offset), seed: 5)
    }

    private func density(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
    private func cumulative(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }
    /// Of the standard normal in x, up to where its tail is below 1e-30.
    private func mean(from a: Double = -12, to b: Double = 12, _ f: (Double) -> Double) throws -> Double {
        try integrate(from: a, to: b) { density($0) * f($0) }
    }

    /// E σ(a)σ(b) for rows with themselves; different rows are independent with mean ½ each.
    private func both(_ point: TwoLayerPoint) throws -> Double { try mean(from: 0) { cumulative($0 / tan(point.theta)) } }

    @Test(arguments: points) func angle(point: TwoLayerPoint) {
        #expect(abs(cos(point.theta) - dot(point.u, point.wStar)) < 1e-14)
        #expect(abs(dot(point.tangent, point.u)) < 1e-14 && abs(dot(point.tangent, point.tangent) - 1) < 1e-14)
    }

    @Test(arguments: points) func loss(point: TwoLayerPoint) throws {
        let same = try both(point), (v, t) = (point.v, point.vStar)
        func expectation(_ a: [Double], _ b: [Double], _ own: Double) -> Double {
            a.indices.reduce(0) { i, j in i + b.indices.reduce(0) { $0 + a[j] * b[$1] * (j == $1 ? own : 0.25) } }
        }
        let expected = (expectation(v, v, 0.5) - 2 * expectation(v, t, same) + expectation(t, t, 0.5)) / 2
        #expect(abs(point.value(.loss)[0] - expected) < 1e-11 * (1 + expected))
    }

    /// Central differences with step 1e-5: truncation and rounding are both near 1e-10.
    @Test(arguments: points) func trueGradients(point: TwoLayerPoint) throws {
        func slope(_ x: [Double], _ j: Int, _ f: ([Double]) throws -> Double) rethrows -> Double {
            var (up, down) = (x, x)
            up[j] += 1e-5
            down[j] -= 1e-5
            return (try f(up) - f(down)) / 2e-5
        }
        let gradientV = point.value(.gradientV), gradientW = point.value(.gradientW)
        for j in 0..<point.m {
            let expected = slope(point.v, j) { point.moved(v: $0, w: point.w).value(.loss)[0] }
            #expect(abs(gradientV[j] - expected) < 1e-8)
        }
        for j in 0..<point.n {
            let expected = slope(point.w, j) { point.moved(v: point.v, w: $0).value(.loss)[0] }
            #expect(abs(gradientW[j] - expected) < 1e-8)
        }
    }

    /// E Zᵀ(μ′(a) ⊙ v)(vᵀσ(a) − v*ᵀσ(b)) by quadrature over x; μ′ = 1 on low < a < high.
    @Test(arguments: points) func coarseGradients(point: TwoLayerPoint) throws {
        let cases: [(Quantity, Double, Double)] = [
            (.coarseReLU, 0, .infinity), (.coarseClipped, 0, 1), (.coarseIdentity, -.infinity, .infinity)
        ]
        for (quantity, low, high) in cases {
            let (a, b) = (max(-12, low / point.normW), min(12, high / point.normW))
            let first = try mean(from: a, to: b) { $0 }  // E x μ′
            let own = try mean(from: max(0, a), to: b) { $0 }  // E x μ′σ(a)
            let alongU = try mean(from: a, to: b) { $0 * cumulative($0 / tan(point.theta)) }  // E x μ′σ(b)
            let alongTangent = try mean(from: a, to: b) { density($0 / tan(point.theta)) }  // E y μ′σ(b)
            var (cu, ct) = (0.0, 0.0)
            for i in 0..<point.m {
                let others = (point.sumV - point.v[i]) - (point.sumVStar - point.vStar[i])
                cu += point.v[i] * (others / 2 * first + point.v[i] * own - point.vStar[i] * alongU)
                ct -= point.v[i] * point.vStar[i] * alongTangent
            }
            let expected = zip(point.u, point.tangent).map { cu * $0 + ct * $1 }
            #expect(distance(point.value(quantity), expected) < 1e-10, "\(quantity)")
        }
    }

    /// Item 4 as METHOD.md and the papers write it, with e = (u + w*)/‖u + w*‖.
    @Test(arguments: points) func literalFormsWithTheBisector(point: TwoLayerPoint) throws {
        let sum = zip(point.u, point.wStar).map { $0 + $1 }, e = sum.map { $0 / dot(sum, sum).squareRoot() }
        let half = point.theta / 2, root = (2 * Double.pi).squareRoot(), k = point.overlap
        let relu = zip(point.u, e).map { point.h / (2 * root) * $0 - cos(half) * k / root * $1 }
        #expect(distance(point.value(.coarseReLU), relu) < 1e-13)
        let i = ClippedMoments(theta: point.theta, normW: point.normW)
        let clipped = zip(point.u, e).map {
            i.p0 * point.h / 2 * $0 - k * i.q / sin(half) * $1 - k * (i.p - i.q * cos(half) / sin(half)) * $0
        }
        #expect(distance(point.value(.coarseClipped), clipped) < 1e-12)
    }

    /// ξ against its integral, and p, q against the definition over the whole interval.
    @Test func clippedIntegrals() throws {
        for x in [1e-3, 0.1, 0.29, 0.31, 1, 3, 10, 100] {
            let expected = try integrate(from: 0, to: min(x, 40)) { $0 * $0 * exp(-$0 * $0 / 2) }
            #expect(abs(ClippedIntegrals.xi(x) / expected - 1) < 1e-10)
        }
        for (theta, length) in [(0.0, 1.0), (0.3, 0.5), (1.5, 2), (2.8, 1), (Double.pi, 1)] {
            let found = try ClippedIntegrals(theta: theta, normW: length)
            func direct(_ start: Double, _ weight: (Double) -> Double) throws -> Double {
                // q(0, w) is 0 by cancellation: an absolute error is all that can be asked for.
                try integrate(from: start, to: .pi / 2, absolute: 1e-12) { weight($0) * ClippedIntegrals.xi(1 / (cos($0) * length)) }
                    / (2 * .pi)
            }
            #expect(abs(found.p - (try direct(theta - .pi / 2, cos))) < 1e-11)
            #expect(abs(found.q - (try direct(theta - .pi / 2, sin))) < 1e-11)
            #expect(abs(found.p0 - (try direct(-.pi / 2, cos))) < 1e-11)
        }
    }

    /// The closed forms of p, q, p0 against quadrature (relative error 1e-11 of its own), from ‖w‖ = 0.01 to 100 and beside 0 and π.
    @Test func clippedMoments() throws {
        for theta in [0, 1e-6, 0.01, 0.3, 1.5, 2.8, .pi - 1e-6, .pi] {
            for length in [0.01, 0.1, 0.7, 2, 100] {
                let found = ClippedMoments(theta: theta, normW: length), expected = try ClippedIntegrals(theta: theta, normW: length)
                for (x, y) in [(found.p, expected.p), (found.q, expected.q), (found.p0, expected.p0)] {
                    #expect(abs(x - y) < 1e-12 + 1e-11 * abs(y))
                }
            }
            // Relative, as p0 is of the size of 1e-10 here; a difference of densities would be good to 1e-6 of it.
            let far = ClippedMoments(theta: theta, normW: 1e5), expected = try ClippedIntegrals(theta: theta, normW: 1e5)
            #expect(abs(far.p0 / expected.p0 - 1) < 1e-10)
        }
    }

    @Test(arguments: points) func correlations(point: TwoLayerPoint) throws {
        for proxy in Proxy.allCases {
            let product = dot(point.value(proxy.coarse), point.value(.gradientW))
            #expect(abs(point.value(proxy.correlation)[0] - product) < 1e-12)
        }
    }

    /// Item 6's identity √(2π) E g = (2vᵀ∂f/∂v + ½(1 − 2θ/π − cos θ)vᵀv*) u − ½ sin θ vᵀv* p̂, and the inequality itself.
    @Test(arguments: points) func bound(point: TwoLayerPoint) throws {
        let g = point.value(.coarseReLU), d = point.value(.gradientV), root = (2 * Double.pi).squareRoot()
        let alongU = 2 * dot(point.v, d) + (1 - 2 * point.theta / .pi - cos(point.theta)) * point.overlap / 2
        let expected = zip(point.u, point.tangent).map { (alongU * $0 - sin(point.theta) * point.overlap / 2 * $1) / root }
        #expect(distance(g, expected) < 1e-13)
        let right = point.boundConstants.a * dot(d, d) + point.boundConstants.b * (point.value(.correlationReLU)[0])
        #expect(dot(g, g) <= right)
    }

    /// (I + J)v = ((1 − 2θ/π)I + J)v* at every stationary v, checked by multiplication; item 7's special cases.
    @Test func criticalPoints() throws {
        let critical = CriticalPoints(vStar: [1.0, -0.4, 0.3, 0.7])
        #expect(critical.hasSpuriousMinimum)
        #expect(!CriticalPoints(vStar: [1, 1, 1]).hasSpuriousMinimum)
        let s = critical.vStar.reduce(0, +)
        for theta in [0, 1, critical.saddleTheta, Double.pi] {
            let v = critical.stationaryV(theta: theta), sum = v.reduce(0, +)
            for (i, target) in critical.vStar.enumerated() {
                #expect(abs(v[i] + sum - (1 - 2 * theta / .pi) * target - s) < 1e-14)
            }
        }
        #expect(distance(critical.stationaryV(theta: 0), critical.vStar) < 1e-14)
        #expect(abs(dot(critical.stationaryV(theta: critical.saddleTheta), critical.vStar)) < 1e-14)
        #expect(abs(critical.saddleTheta - .pi / 2 * 5 * 1.74 / (5 * 1.74 - 2.56)) < 1e-14)  // ‖v*‖² = 1.74, s = 1.6
    }
}
