// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// 2 bits as the authors' code computes them, for the `authors-code` recipe only; it is not the paper's. Keeps `|w| ≥ 0.7·mean|w|`
/// (Ternary Weight Networks' threshold, arXiv:1605.04711), and divides the sum of the kept magnitudes by the number of *all* weights, so
/// that the scale is too small (the projection divides by the number kept).
///
/// Coarse gradient: straight through. Weights of exactly 0 have code 0.
///
/// Their other rules: at 4 bits `LloydProjection(bits: 4, maximumIterations: 1)` (up to exact halves, which theirs rounds towards 0), at
/// 1 bit `BinaryProjection` (except that weights of exactly 0 stay 0 there).
public struct AuthorsTernaryProjection: WeightQuantizer, Equatable {
    public init() {}
    public var name: String { "authors-ternary" }
    public var maximumIntegerWeight: Int { 1 }

    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let threshold = T(0.7 as Float) * T(w.reduce(0) { $0 + Double($1.magnitude) } / Double(w.count))
        let kept = w.filter { $0.magnitude >= threshold }.reduce(0.0) { $0 + Double($1.magnitude) }
        return (T(kept / Double(w.count)), w.map { $0.magnitude < threshold || $0 == 0 ? 0 : $0 > 0 ? 1 : -1 })
    }
}

extension AuthorsTernaryProjection: MagnitudeProjection {
    package func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        let threshold = max(0.7 * Float(magnitudes.sum / Double(slice.count)), .leastNonzeroMagnitude)
        let scale = Float(ck_kept(slice.w, slice.count, threshold, threads).sum / Double(slice.count))
        ck_ternary_integer_weights(slice.w, slice.count, threshold, scale, slice.quantized, slice.integerWeights, threads)
        return scale
    }
}
