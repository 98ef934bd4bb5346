// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics
import Testing

@Suite struct MatrixTests {
    /// The 4×4 Hilbert matrix's inverse has the integer first column 16, −120, 240, −140 (any textbook); condition 1.6e4. Only the
    /// lower triangle counts.
    @Test func choleskySolve() throws {
        var hilbert = Matrix(rows: 4, columns: 4) { 1 / Double($0 + $1 + 1) }
        hilbert[0, 3] = 9
        let column = try hilbert.solvedPositive([1, 0, 0, 0])
        for (found, expected) in zip(column, [16.0, -120, 240, -140]) { #expect(abs(found - expected) < 1e-9) }
    }

    /// The path graph's Laplacian-like tridiagonal (−1, 2, −1) of order n has eigenvalues 2 − 2 cos(kπ/(n+1)).
    @Test func eigenvalues() throws {
        var matrix = Matrix(rows: 5, columns: 5) { $0 == $1 ? 2 : (abs($0 - $1) == 1 ? -1 : 0) }
        matrix[0, 4] = 9
        for (k, value) in try matrix.symmetricEigenvalues().enumerated() {
            #expect(abs(value - (2 - 2 * cos(Double(k + 1) * .pi / 6))) < 1e-13)
        }
        #expect(try Matrix(rows: 1, columns: 1, entries: [-3]).symmetricEigenvalues() == [-3])
    }

    /// Small integers: every sum is exact. By hand.
    @Test func products() {
        let a = Matrix(rows: 2, columns: 3, entries: [1, 2, 3, 4, 5, 6]), b = Matrix(rows: 3, columns: 2, entries: [1, 0, 0, 1, 1, 1])
        #expect(a * [1, 0, -1] == [-2, -2] && a.transposedTimes([1, -1]) == [-3, -3, -3])
        #expect(a * b == Matrix(rows: 2, columns: 2, entries: [4, 5, 10, 11]))
        #expect(a.transposedTimes(a) == a.transposed * a)
        #expect(a.transposed * a == Matrix(rows: 3, columns: 3, entries: [17, 22, 27, 22, 29, 36, 27, 36, 45]))
        #expect(Matrix(rows: 2, columns: 0, entries: []) * [] == [0, 0] && (Matrix(rows: 0, columns: 2, entries: []) * [1, 2]).isEmpty)
        #expect(
            Matrix(rows: 1, columns: 0, entries: []) * Matrix(rows: 0, columns: 2, entries: [])
                == Matrix(rows: 1, columns: 2, entries: [0, 0]))
        let nan = Matrix(rows: 2, columns: 2, entries: [0, .nan, 0, 1]) * Matrix(rows: 2, columns: 2, entries: [1, 1, 0, 1])
        #expect(nan[0, 0].isNaN && nan[0, 1].isNaN && nan[1, 0] == 0 && nan[1, 1] == 1)
    }

    /// Odd sizes against the sums written out, which err by at most (k + 1)·2⁻⁵³ of the magnitudes' sum in either order.
    @Test func productsOfOddSizes() {
        var random = Philox(seed: 13, stream: 0)
        func gaussian(_ rows: Int, _ columns: Int) -> Matrix {
            Matrix(rows: rows, columns: columns, entries: (0..<rows * columns).map { _ in random.normal() })
        }
        let (a, b) = (gaussian(37, 61), gaussian(61, 19)), c = a * b
        for i in 0..<37 {
            let x = a * b.transposed.entries[0..<61].map { $0 }
            for j in 0..<19 {
                let terms = (0..<61).map { a[i, $0] * b[$0, j] }
                let bound = 2 * 62 * 0x1p-53 * terms.reduce(0) { $0 + abs($1) }
                #expect(abs(c[i, j] - terms.reduce(0, +)) <= bound && (j > 0 || abs(x[i] - c[i, 0]) <= bound))
            }
        }
    }

    @Test func refusalsSayWhere() throws {
        // The minor of order 2 is 1 − 4 < 0.
        let indefinite = Matrix(rows: 3, columns: 3, entries: [1, 2, 0, 2, 1, 0, 0, 0, 1])
        #expect(throws: LinearAlgebraError.notPositiveDefinite(minor: 2, order: 3)) { try indefinite.solvedPositive([1, 1, 1]) }
        #expect(throws: LinearAlgebraError.notPositiveDefinite(minor: 1, order: 1)) {
            try Matrix(rows: 1, columns: 1, entries: [0]).solvedPositive([1])
        }
        // Row 3 is the sum of the others; the pivot that rounding leaves is 1e-16 of 2.
        let singular = Matrix(rows: 3, columns: 3, entries: [1, 0, 1, 0, 1, 1, 1, 1, 2 + 4e-16])
        #expect(throws: LinearAlgebraError.singular(row: 3, order: 3)) { try singular.solvedPositive([1, 1, 1]) }
        for bad in [Double.nan, .infinity] {
            let matrix = Matrix(rows: 2, columns: 2, entries: [1, 0, 0, bad])
            #expect(throws: LinearAlgebraError.notFinite(order: 2)) { try matrix.symmetricEigenvalues() }
            #expect(throws: LinearAlgebraError.notFinite(order: 2)) { try matrix.solvedPositive([1, 1]) }
        }
        #expect(throws: LinearAlgebraError.notFinite(order: 1)) { try Matrix(rows: 1, columns: 1, entries: [1]).solvedPositive([.nan]) }
        let few = SampleMoments(count: 50, mean: [0, 0], covariance: Matrix(rows: 2, columns: 2, entries: [1, 2, 2, 1]))
        #expect { try hotellingTest(few, expected: [1, 1]) } throws: { "\($0)".contains("use more samples") && "\($0)".contains("order 2") }
    }
}
