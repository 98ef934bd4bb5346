// SPDX-License-Identifier: GPL-3.0-or-later
import COpenBLAS

/// What LAPACK could not do with a symmetric matrix of order n.
public enum LinearAlgebraError: Error, CustomStringConvertible, Equatable {
    /// An entry of the matrix, by row and column, or of the right side.
    case notFinite(order: Int)
    /// The leading minor of this order, 1 … n, is not positive.
    case notPositiveDefinite(minor: Int, order: Int)
    /// To rounding, this row, 1 … n, depends on those before it.
    case singular(row: Int, order: Int)
    /// So many entries beside the diagonal did not vanish.
    case notConverged(count: Int, order: Int)

    public var description: String {
        switch self {
        case .notFinite(let n): "the \(n)×\(n) matrix or its right side has an entry that is NaN or infinite: look where it comes from"
        case .notPositiveDefinite(let minor, let n):
            "the \(n)×\(n) matrix is not positive definite: its leading minor of order \(minor) is not positive; drop row \(minor), or "
                + "add to the diagonal"
        case .singular(let row, let n):
            "the \(n)×\(n) matrix is singular to rounding: row \(row) depends on those before it; drop it, or add to the diagonal"
        case .notConverged(let count, let n):
            "the eigenvalues of the \(n)×\(n) matrix did not converge (\(count) entries left): scale it, or look for entries of extreme "
                + "size"
        }
    }
}

extension Matrix {
    /// `A⁻¹
    /// b` for a symmetric positive definite `A` of which the lower triangle is read, by Cholesky's factorisation (LAPACK's dpotrf, dpotrs).
    /// - Throws: `.notPositiveDefinite`; `.singular` where a pivot, the part of a diagonal entry that the rows before do not explain, is
    ///   below
    ///   1e-13 of it (rank-deficient to rounding); `.notFinite`.
    public func solvedPositive(_ b: [Double]) throws(LinearAlgebraError) -> [Double] {
        precondition(rows == columns && b.count == rows && rows > 0)
        try checkFinite(b)
        var (factor, x) = (entries, b)
        let before = copenblas_enter()
        defer { copenblas_leave(before) }
        let info = copenblas_cholesky(Int32(rows), &factor)
        precondition(info >= 0, "dpotrf's argument \(-info)")
        guard info == 0 else { throw .notPositiveDefinite(minor: Int(info), order: rows) }
        for j in 0..<rows {
            let root = factor[j * rows + j]
            guard root * root > 1e-13 * self[j, j] else { throw .singular(row: j + 1, order: rows) }
        }
        let status = copenblas_cholesky_solve(Int32(rows), factor, &x)
        precondition(status == 0, "dpotrs's argument \(-status)")
        return x
    }

    /// Eigenvalues of a symmetric matrix, ascending (LAPACK's dsyev; the lower triangle is read).
    /// - Throws: `.notConverged`; `.notFinite`.
    public func symmetricEigenvalues() throws(LinearAlgebraError) -> [Double] {
        precondition(rows == columns && rows > 0)
        try checkFinite([])
        var (a, values, work) = (entries, [Double](repeating: 0, count: rows), [Double](repeating: 0, count: 3 * rows - 1))
        let before = copenblas_enter()
        defer { copenblas_leave(before) }
        let info = copenblas_symmetric_eigenvalues(Int32(rows), &a, &values, &work)
        precondition(info >= 0, "dsyev's argument \(-info)")
        guard info == 0 else { throw .notConverged(count: Int(info), order: rows) }
        return values
    }

    private func checkFinite(_ b: [Double]) throws(LinearAlgebraError) {
        guard entries.allSatisfy(\.isFinite), b.allSatisfy(\.isFinite) else { throw .notFinite(order: rows) }
    }
}
