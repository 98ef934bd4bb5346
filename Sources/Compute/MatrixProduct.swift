// SPDX-License-Identifier: GPL-3.0-or-later
import COneDNN

extension Engine {
    /// `C = op(A) · op(B) + β·C`, row-major f32: `op(A)` is `[m, k]`, `op(B)` is `[k, n]`, `C` is `[m, n]`,
    /// `op` the transpose where asked (then `A` is stored as `[k, m]`, `B` as `[n, k]`).
    public func multiply(
        _ a: UnsafePointer<Float>, transposed ta: Bool = false, _ b: UnsafePointer<Float>, transposed tb: Bool = false,
        into c: UnsafeMutablePointer<Float>, m: Int, n: Int, k: Int, beta: Float = 0
    ) throws {
        claimThreads()
        let letter = { (t: Bool) in CChar(UInt8(ascii: t ? "T" : "N")) }
        try check(
            dnnl_sgemm(
                letter(ta), letter(tb), Int64(m), Int64(n), Int64(k), 1, a, Int64(ta ? m : k), b, Int64(tb ? k : n), beta, c,
                Int64(n)),
            "matrix product [\(m), \(k)] · [\(k), \(n)]")
    }
}
