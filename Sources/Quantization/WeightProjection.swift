// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// How 2 bits are projected: `exact` is the Euclidean projection; `authors` is the authors' code's rule, for their recipe only.
public enum TernaryRule: String, Codable, CaseIterable, Sendable { case exact, authors }

/// A recipe's choice among the projections of float weights `w ∈ Rⁿ` onto `{ δ·q : δ ≥ 0, qᵢ a level }` (METHOD.md part 1):
///
/// | bits | levels | projection |
/// |---|---|---|
/// | 1 | ±1 | `BinaryProjection`, exact |
/// | 2 | 0, ±1 | `TernaryProjection`, exact, or `AuthorsTernaryProjection` |
/// | 3 … 8 | 0, ±1 … ±(2^(bits−1) − 1) | `LloydProjection`, a local optimum |
///
/// The paper's scale is one per layer: project the whole tensor. One per output channel is the projection of each channel's
/// slice: `slices` of the projecting functions.
public struct WeightProjection: WeightQuantizer, Equatable {
    public let bits: Int
    /// Of `LloydProjection`.
    public let maximumIterations: Int
    /// How 2 bits are projected.
    public let ternary: TernaryRule

    /// - Throws: `QuantizationError` unless `bits` is 1 … 8 and `maximumIterations` is 1 or more.
    public init(bits: Int, maximumIterations: Int = LloydProjection.manyIterations, ternary: TernaryRule = .exact) throws {
        guard (1...8).contains(bits) else { throw QuantizationError.bits(bits, of: "weight bits", allowed: 1...8) }
        guard maximumIterations >= 1 else { throw QuantizationError.iterations(maximumIterations) }
        self.bits = bits
        self.maximumIterations = maximumIterations
        self.ternary = ternary
    }

    /// The projection that the settings choose.
    private var chosen: any MagnitudeProjection {
        switch bits {
        case 1: BinaryProjection()
        case 2 where ternary == .authors: AuthorsTernaryProjection()
        case 2: TernaryProjection()
        default: LloydProjection(checkedBits: bits, maximumIterations: maximumIterations)
        }
    }

    public var name: String { chosen.name }
    public var maximumIntegerWeight: Int { chosen.maximumIntegerWeight }

    /// By name, not by `chosen`, for callers' compilers to specialise it.
    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        switch bits {
        case 1: BinaryProjection().referenceProject(w)
        case 2 where ternary == .authors: AuthorsTernaryProjection().referenceProject(w)
        case 2: TernaryProjection().referenceProject(w)
        default: LloydProjection(checkedBits: bits, maximumIterations: maximumIterations).referenceProject(w)
        }
    }
}

extension WeightProjection: MagnitudeProjection {
    package func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        chosen.projectSlice(slice, magnitudes, threads: threads)
    }
}
