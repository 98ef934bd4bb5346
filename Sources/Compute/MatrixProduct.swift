// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import COpenBLAS

/// A row-major f32 matrix as a factor: as stored, or its transpose.
public enum MatrixFactor {
    case plain(UnsafePointer<Float>)
    case transposed(UnsafePointer<Float>)
}

extension Engine {
    /// `C = A · B + β·C` with `A [m, k]`, `B [k, n]` (shapes after transposition) and `C [m, n]`, by OpenBLAS.
    ///
    /// The threads share tiles of C of a fixed size, each one call on one thread: results do not depend on how many threads there are.
    /// With `beta` 0 what C held does not matter, NaN included; NaN and infinity in A and B spread as in the sums written out.
    /// - Throws: `ComputeError` where a side is 2³¹ or more: OpenBLAS counts in 32 bits.
    public func multiply(
        _ a: MatrixFactor, _ b: MatrixFactor, into c: UnsafeMutablePointer<Float>, m: Int, n: Int, k: Int, beta: Float = 0
    ) throws {
        precondition(m >= 0 && n >= 0 && k >= 0, "a matrix has no negative side")
        guard max(m, n, k) <= Int(Int32.max) else {
            throw ComputeError("matrix product [\(m), \(k)] · [\(k), \(n)]: OpenBLAS takes sides up to \(Int32.max); use a smaller batch")
        }
        guard m > 0, n > 0 else { return }
        var product = TiledProduct(
            a: StoredMatrix(a, rows: m, columns: k), b: StoredMatrix(b, rows: k, columns: n), c: c, m: m, n: n, k: k, beta: beta)
        ck_parallel(
            Int32(min(threads, product.tileCount)),
            { context, worker, workers in
                guard let product = context?.assumingMemoryBound(to: TiledProduct.self).pointee else { return }
                let before = copenblas_enter()
                defer { copenblas_leave(before) }
                for tile in stride(from: Int(worker), to: product.tileCount, by: Int(workers)) { product.compute(tile) }
            }, &product)
    }
}

private struct StoredMatrix {
    let base: UnsafePointer<Float>
    let transposition: Int32
    /// From one row, and one column, of the factor to the next.
    let rowStep, columnStep: Int
    /// Of a stored row; at least 1, as BLAS wants it of empty matrices too.
    let rowLength: Int32

    init(_ factor: MatrixFactor, rows: Int, columns: Int) {
        switch factor {
        case .plain(let pointer): (base, transposition, rowStep, columnStep) = (pointer, Int32(COPENBLAS_PLAIN), columns, 1)
        case .transposed(let pointer): (base, transposition, rowStep, columnStep) = (pointer, Int32(COPENBLAS_TRANSPOSED), 1, rows)
        }
        rowLength = Int32(max(rowStep, columnStep, 1))
    }
}

private struct TiledProduct {
    /// Large enough for the kernels' blocks, small enough to be shared.
    static let tileRows = 64, tileColumns = 256
    let a, b: StoredMatrix
    let c: UnsafeMutablePointer<Float>
    let m, n, k: Int
    let beta: Float

    private var tilesAcross: Int { (n + Self.tileColumns - 1) / Self.tileColumns }
    var tileCount: Int { (m + Self.tileRows - 1) / Self.tileRows * tilesAcross }

    func compute(_ tile: Int) {
        let (row, column) = (tile / tilesAcross * Self.tileRows, tile % tilesAcross * Self.tileColumns)
        copenblas_sgemm(
            Int32(COPENBLAS_ROW_MAJOR), a.transposition, b.transposition, Int32(min(Self.tileRows, m - row)),
            Int32(min(Self.tileColumns, n - column)), Int32(k), 1, a.base + row * a.rowStep, a.rowLength,
            b.base + column * b.columnStep, b.rowLength, beta, c + row * n + column, Int32(n))
    }
}
