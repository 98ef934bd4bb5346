// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Foundation

/// A statistical computation that could not be done; the message says why and what to do.
public struct StatisticsError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A small dense matrix, row-major, of doubles.
public struct Matrix: Equatable, Sendable {
    public let rows: Int
    public let columns: Int
    public var entries: [Double]

    public init(rows: Int, columns: Int, entries: [Double]) {
        precondition(entries.count == rows * columns)
        (self.rows, self.columns, self.entries) = (rows, columns, entries)
    }

    public init(rows: Int, columns: Int, entry: (Int, Int) -> Double) {
        self.init(rows: rows, columns: columns, entries: (0..<rows * columns).map { entry($0 / columns, $0 % columns) })
    }

    public subscript(row: Int, column: Int) -> Double {
        get { entries[row * columns + column] }
        set { entries[row * columns + column] = newValue }
    }

    public var transposed: Matrix { Matrix(rows: columns, columns: rows) { self[$1, $0] } }

    public static func * (a: Matrix, x: [Double]) -> [Double] {
        precondition(a.columns == x.count)
        return (0..<a.rows).map { i in (0..<a.columns).reduce(0) { $0 + a[i, $1] * x[$1] } }
    }

    public static func * (a: Matrix, b: Matrix) -> Matrix {
        precondition(a.columns == b.rows)
        return Matrix(rows: a.rows, columns: b.columns) { i, j in
            (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] }
        }
    }

    /// `A⁻¹ b` for a symmetric positive definite `A`, by Cholesky's factorisation.
    /// - Throws: `StatisticsError` when a pivot falls below 1e-13 of its diagonal entry (rank-deficient to rounding).
    public func solvedPositive(_ b: [Double]) throws -> [Double] {
        precondition(rows == columns && b.count == rows)
        var l = self, x = b
        for j in 0..<rows {
            for k in 0..<j { l[j, j] -= l[j, k] * l[j, k] }
            guard l[j, j] > 1e-13 * self[j, j] else {
                throw StatisticsError("the \(rows)×\(rows) covariance matrix is singular at row \(j): use more samples, or drop constant entries")
            }
            l[j, j] = l[j, j].squareRoot()
            for i in (j + 1)..<max(rows, j + 1) {
                for k in 0..<j { l[i, j] -= l[i, k] * l[j, k] }
                l[i, j] /= l[j, j]
            }
        }
        for i in 0..<rows {
            for k in 0..<i { x[i] -= l[i, k] * x[k] }
            x[i] /= l[i, i]
        }
        for i in (0..<rows).reversed() {
            for k in (i + 1)..<max(rows, i + 1) { x[i] -= l[k, i] * x[k] }
            x[i] /= l[i, i]
        }
        return x
    }

    /// Eigenvalues of a symmetric matrix, ascending (GSL; the lower triangle is read).
    /// - Throws: `StatisticsError` when the iteration fails or memory is short.
    public func symmetricEigenvalues() throws -> [Double] {
        precondition(rows == columns)
        guard let a = gsl_matrix_alloc(rows, rows), let values = gsl_vector_alloc(rows), let work = gsl_eigen_symm_alloc(rows)
        else { throw StatisticsError("no memory for the eigenvalues of a \(rows)×\(rows) matrix") }
        defer {
            gsl_matrix_free(a)
            gsl_vector_free(values)
            gsl_eigen_symm_free(work)
        }
        for i in 0..<rows { for j in 0..<rows { gsl_matrix_set(a, i, j, self[max(i, j), min(i, j)]) } }
        try checkGSL(gsl_eigen_symm(a, values, work), doing: "finding the eigenvalues of a \(rows)×\(rows) matrix")
        return (0..<rows).map { gsl_vector_get(values, $0) }.sorted()
    }
}

/// Turns a GSL status code into an error.
func checkGSL(_ status: Int32, doing action: String) throws {
    guard status == 0 else { throw StatisticsError("\(action) failed: \(String(cString: gsl_strerror(status)))") }
}
