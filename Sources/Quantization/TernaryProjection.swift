// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// 2 bits, exact: `δ` and `q ∈ {0, ±1}ⁿ` that minimise `‖w − δq‖` keep the `k` largest magnitudes, with their signs, for the `k` that
/// maximises `(their sum)²/k`; `δ` is their mean (METHOD.md part 1; Yin, Zhang, Qi and Xin, arXiv:1612.06052; Ternary Weight Networks,
/// arXiv:1605.04711, approximates it by `AuthorsTernaryProjection`'s threshold).
///
/// Coarse gradient: straight through. Ties: of equally good `k` the smallest (the sparsest integer weights); equal magnitudes are kept or
/// dropped together. All weights 0: `δ = 0`, integer weights 0.
public struct TernaryProjection: WeightQuantizer, Equatable {
    public init() {}
    public var name: String { "ternary" }
    public var maximumIntegerWeight: Int { 1 }

    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let order = w.indices.sorted { w[$0].magnitude > w[$1].magnitude }
        var (sum, best, kept, scale) = (0.0, 0.0, 0, T(0))
        for (index, k) in zip(order, 1...) {
            sum += Double(w[index].magnitude)
            if sum * sum / Double(k) > best { (best, kept, scale) = (sum * sum / Double(k), k, T(sum / Double(k))) }
        }
        var integerWeights = w.map { _ in 0 }
        for index in order.prefix(kept) { integerWeights[index] = w[index] > 0 ? 1 : -1 }
        return (scale, integerWeights)
    }
}

extension TernaryProjection: MagnitudeProjection {
    /// In five passes, without sorting (`TernarySelection.swift`).
    package func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        guard magnitudes.maximum > 0 else { return slice.fill(0, code: 0) }
        let kept = largestMagnitudes(slice.w, slice.count, magnitudes, scratch: slice.scratch, threads)
        ck_ternary_integer_weights(slice.w, slice.count, kept.threshold, kept.scale, slice.quantized, slice.integerWeights, threads)
        return kept.scale
    }
}
