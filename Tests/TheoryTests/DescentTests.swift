// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics
import Testing

/// The reduced dynamics and the exact change of a step against the vectors that they stand for.
@Suite struct DescentTests {
    /// 100 random starts (seeds 0 to 99), one step; the five numbers are rounded at 1e-16 of products of order 10.
    @Test(arguments: Proxy.allCases, [true, false]) func reducedDescentIsTheFullOne(proxy: Proxy, normalized: Bool) {
        for trial in 0..<100 {
            let x = Double(trial)
            let point = randomPoint(m: 1 + trial % 6, n: 2 + trial % 4, theta: 0.1 + 0.029 * x, length: 1 + 0.01 * x, seed: UInt64(trial))
            let next = CoarseDescent(proxy: proxy, rate: 0.3, normalized: normalized).step(point)
            var reduced = ReducedDescent(
                v: point.v, vStar: point.vStar, theta: point.theta, normW: point.normW, proxy: proxy, rate: 0.3, normalized: normalized)
            #expect(abs(reduced.loss - point.value(.loss)[0]) < 1e-13)
            #expect(abs(reduced.squareSlope - dot(point.value(.gradientV), point.value(.gradientV))) < 1e-13)
            reduced.step()
            let pairs = [
                (reduced.overlap, next.overlap), (reduced.sumV, next.sumV), (reduced.squareV, dot(next.v, next.v)),
                (reduced.theta, next.theta), (reduced.normW, next.normW)
            ]
            for (found, expected) in pairs { #expect(abs(found - expected) < 1e-12 * (1 + abs(expected))) }
        }
    }

    /// `E g = a u − c q p̂` against item 4's vectors.
    @Test(arguments: Proxy.allCases) func direction(proxy: Proxy) {
        let point = randomPoint(m: 3, n: 4, theta: 2.2, length: 0.6, seed: 3)
        let direction = proxy.direction(
            h: point.h, squareV: dot(point.v, point.v), overlap: point.overlap, theta: point.theta, normW: point.normW)
        let expected = zip(point.u, point.tangent).map { direction.radial * $0 - point.overlap * direction.q * $1 }
        #expect(distance(point.value(proxy.coarse), expected) < 1e-14)
    }

    /// The stationary start from m, s, ‖v*‖² is that of the vectors.
    @Test func stationaryStart() {
        let vStar = [1.0, -0.4, 0.3, 0.7], critical = CriticalPoints(vStar: vStar)
        for theta in [0.2, 1.5, 3.1] {
            let full = ReducedDescent(
                v: critical.stationaryV(theta: theta), vStar: vStar, theta: theta, proxy: .relu, rate: 0, normalized: true)
            let short = ReducedDescent(
                stationaryAt: theta, m: 4, s: vStar.reduce(0, +), squareTarget: dot(vStar, vStar), proxy: .relu, rate: 0, normalized: true)
            #expect(abs(full.overlap - short.overlap) < 1e-14 && abs(full.sumV - short.sumV) < 1e-14)
            #expect(abs(full.squareV - short.squareV) < 1e-14)
        }
    }

    /// A turn beyond w* or beyond −w* comes back on the other side.
    @Test func turns() {
        #expect(turned(0.1, by: 0.3) == 0.3 - 0.1 && abs(turned(3.1, by: -0.2) - (2 * .pi - 3.3)) < 1e-15 && turned(1, by: 0.25) == 0.75)
    }
}
