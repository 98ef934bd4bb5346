// SPDX-License-Identifier: GPL-3.0-or-later
import COpenBLAS

/// A small dense matrix, row-major, of doubles; products by OpenBLAS, on the calling thread.
///
/// Each side is below 2³¹. A NaN or infinite entry spreads as in the sums written out, also where the other factor is 0.
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

    /// `A x`.
    public static func * (a: Matrix, x: [Double]) -> [Double] {
        precondition(a.columns == x.count)
        return a.product(x, COPENBLAS_PLAIN, count: a.rows)
    }

    /// `Aᵀ x`.
    public func transposedTimes(_ x: [Double]) -> [Double] {
        precondition(rows == x.count)
        return product(x, COPENBLAS_TRANSPOSED, count: columns)
    }

    private func product(_ x: [Double], _ form: Int, count: Int) -> [Double] {
        var y = [Double](repeating: 0, count: count)
        guard !entries.isEmpty else { return y }
        let before = copenblas_enter()
        defer { copenblas_leave(before) }
        copenblas_dgemv(
            Int32(COPENBLAS_ROW_MAJOR), Int32(form), Int32(rows), Int32(columns), 1, entries, Int32(columns), x, 1, 0, &y, 1)
        return y
    }

    /// `A B`.
    public static func * (a: Matrix, b: Matrix) -> Matrix { product(a, COPENBLAS_PLAIN, b, rows: a.rows, inner: a.columns) }

    /// `Aᵀ B`.
    public func transposedTimes(_ b: Matrix) -> Matrix { Self.product(self, COPENBLAS_TRANSPOSED, b, rows: columns, inner: rows) }

    private static func product(_ a: Matrix, _ form: Int, _ b: Matrix, rows: Int, inner: Int) -> Matrix {
        precondition(inner == b.rows)
        var c = Matrix(rows: rows, columns: b.columns, entries: [Double](repeating: 0, count: rows * b.columns))
        guard !c.entries.isEmpty, inner > 0 else { return c }
        let before = copenblas_enter()
        defer { copenblas_leave(before) }
        copenblas_dgemm(
            Int32(COPENBLAS_ROW_MAJOR), Int32(form), Int32(COPENBLAS_PLAIN), Int32(rows), Int32(b.columns), Int32(inner), 1, a.entries,
            Int32(a.columns), b.entries, Int32(b.columns), 0, &c.entries, Int32(b.columns))
        return c
    }
}
