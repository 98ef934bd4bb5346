// SPDX-License-Identifier: GPL-3.0-or-later
import COneDNN

/// A row-major f32 matrix as a factor: as stored, or its transpose.
public enum MatrixFactor {
    case plain(UnsafePointer<Float>)
    case transposed(UnsafePointer<Float>)

    fileprivate var letter: CChar {
        switch self {
        case .plain: CChar(UInt8(ascii: "N"))
        case .transposed: CChar(UInt8(ascii: "T"))
        }
    }

    fileprivate var pointer: UnsafePointer<Float> {
        switch self {
        case .plain(let pointer), .transposed(let pointer): pointer
        }
    }

    /// The stored row's length, for a factor of the given shape after transposition.
    fileprivate func rowLength(rows: Int, columns: Int) -> Int64 {
        switch self {
        case .plain: Int64(columns)
        case .transposed: Int64(rows)
        }
    }
}

extension Engine {
    /// `C = A · B + β·C` with `A [m, k]`, `B [k, n]` (shapes after transposition) and `C [m, n]`.
    public func multiply(
        _ a: MatrixFactor, _ b: MatrixFactor, into c: UnsafeMutablePointer<Float>, m: Int, n: Int, k: Int, beta: Float = 0
    ) throws {
        claimThreads()
        try check(
            dnnl_sgemm(
                a.letter, b.letter, Int64(m), Int64(n), Int64(k), 1, a.pointer, a.rowLength(rows: m, columns: k), b.pointer,
                b.rowLength(rows: k, columns: n), beta, c, Int64(n)),
            "matrix product [\(m), \(k)] · [\(k), \(n)]")
    }
}
