// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Projections as the authors' code computes them, for the `authors-code` recipe only: they are not the paper's.
///
/// At 4 bits the authors' is `WeightProjection(bits: 4, maximumIterations: 1)` (up to exact halves, which theirs rounds
/// towards 0), and at 1 bit `WeightProjection(bits: 1)` (except that weights of exactly 0 stay 0 there).
public enum AuthorsCodeProjections {
    /// Ternary: keeps `|w| ≥ 0.7·mean|w|`, and divides the sum of the kept magnitudes by the number of *all* weights, so
    /// that the scale is too small (the projection divides by the number kept). Weights of exactly 0 have code 0.
    /// - Parameter w: n ≥ 1 weights; a NaN or infinite one gives scale NaN and codes 0.
    public static func ternary(_ w: [Float]) -> (scale: Float, codes: [Int8]) {
        let (scale, codes) = referenceTernary(w)
        return (scale, codes.map { Int8($0) })
    }

    /// The same in any precision (at most `Double`'s).
    public static func referenceTernary<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let threshold = T(0.7 as Float) * T(w.reduce(0) { $0 + Double($1.magnitude) } / Double(w.count))
        let kept = w.filter { $0.magnitude >= threshold }.reduce(0.0) { $0 + Double($1.magnitude) }
        return (T(kept / Double(w.count)), w.map { $0.magnitude < threshold || $0 == 0 ? 0 : $0 > 0 ? 1 : -1 })
    }

    /// The same over buffers; parameters and result as in `WeightProjection.project`.
    @discardableResult
    public static func ternary(
        _ w: UnsafePointer<Float>, count: Int, quantized: UnsafeMutablePointer<Float>,
        codes: UnsafeMutablePointer<Int8>? = nil, threads: Int
    ) -> Float {
        precondition(count > 0, "no weights to project")
        let sum = ck_magnitudes(w, count, Int32(threads)).sum
        guard sum.isFinite else {
            quantized.update(repeating: .nan, count: count)
            codes?.update(repeating: 0, count: count)
            return .nan
        }
        return ternary(w, count, sum: sum, quantized, codes, Int32(threads))
    }

    /// - Parameter sum: `Σ|w|`, finite.
    static func ternary(
        _ w: UnsafePointer<Float>, _ count: Int, sum: Double, _ quantized: UnsafeMutablePointer<Float>?,
        _ codes: UnsafeMutablePointer<Int8>?, _ threads: Int32
    ) -> Float {
        let threshold = max(ternaryThreshold(sum: sum, count: count), .leastNonzeroMagnitude)
        let scale = Float(ck_kept(w, count, threshold, threads).sum / Double(count))
        ck_ternary_codes(w, count, threshold, scale, quantized, codes, threads)
        return scale
    }

    private static func ternaryThreshold(sum: Double, count: Int) -> Float { 0.7 * Float(sum / Double(count)) }
}
