// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// 1 bit, exact: `q = sign(w)`, `δ = ‖w‖₁/n` minimise `‖w − δq‖` over `δ ≥ 0`, `q ∈ {±1}ⁿ` (paper, section 2; METHOD.md part 1; Rastegari
/// et al., XNOR-Net, arXiv:1603.05279, section 3.1).
///
/// Coarse gradient: straight through (Courbariaux, Bengio and David, BinaryConnect, arXiv:1511.00363). Edges: `sign(0) = sign(−0) = +1`;
/// all weights 0: `δ = 0`, integer weights +1. (The authors' code leaves weights of exactly 0 at 0.)
public struct BinaryProjection: WeightQuantizer, Equatable {
    public init() {}
    public var name: String { "binary" }
    public var maximumIntegerWeight: Int { 1 }

    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let norm = w.reduce(0.0) { $0 + Double($1.magnitude) }
        return (T(norm / Double(w.count)), w.map { $0 >= 0 ? 1 : -1 })
    }
}

extension BinaryProjection: MagnitudeProjection {
    /// In two passes.
    package func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        let scale = Float(magnitudes.sum / Double(slice.count))
        if slice.quantized != nil || !slice.haveSigns {
            ck_binary_integer_weights(slice.w, slice.count, scale, slice.quantized, slice.integerWeights, threads)
        }
        return scale
    }
}
