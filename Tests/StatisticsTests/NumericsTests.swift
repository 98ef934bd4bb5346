// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics
import Testing

@Suite struct NumericsTests {
    @Test func quadrature() throws {
        #expect(abs(try integrate(from: 0, to: 1) { 4 / (1 + $0 * $0) } - .pi) < 1e-13)
        #expect(abs(try integrate(from: -1, to: 1) { $0 * $0 * $0 }) < 1e-14)
        #expect(throws: StatisticsError.self) { try integrate(from: 0, to: 1) { 1 / $0 } }
    }

    /// Rosenbrock's valley, minimum 0 at (1, 1).
    @Test func minimizer() throws {
        let found = try minimize(from: [-1.2, 1], step: 0.5, iterations: 1000) { x in
            100 * pow(x[1] - x[0] * x[0], 2) + pow(1 - x[0], 2)
        }
        #expect(found.value < 1e-15 && abs(found.point[0] - 1) < 1e-6 && abs(found.point[1] - 1) < 1e-6)
    }

    @Test(arguments: [([3.0], 3.0), ([4.0, 1.0], 2.5), ([9.0, 1.0, 2.0], 2.0), ([5.0, 1.0, 2.0, 100.0], 3.5)])
    func medians(values: [Double], expected: Double) {
        #expect(median(values) == expected && median([]).isNaN)
    }

    /// Halton's sequence is the digits of 1, 2, 3, … mirrored in bases 2 and 3.
    @Test func halton() throws {
        let points = try haltonPoints(count: 3, dimension: 2, skip: 0)
        let mirrored: [[Double]] = [[0.5, 1.0 / 3], [0.25, 2.0 / 3], [0.75, 1.0 / 9]]
        for (point, expected) in zip(points, mirrored) {
            #expect(abs(point[0] - expected[0]) < 1e-15 && abs(point[1] - expected[1]) < 1e-15)
        }
        #expect(throws: StatisticsError.self) { try haltonPoints(count: 1, dimension: 1230) }
    }
}
