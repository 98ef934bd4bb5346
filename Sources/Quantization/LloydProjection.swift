// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Uniform levels 0, ±1 … ±L, `L = 2^(bits−1) − 1`, by Lloyd's alternation (IEEE Trans. Inf. Theory 28, 1982; METHOD.md part 1): from
/// `δ = 2·max|w|/(2^bits − 1)`, assign `q = clamp(round(w/δ), −L, L)`, fit `δ =
/// ⟨w,q⟩/⟨q,q⟩`, until the integer weights stop changing. A local
/// minimum of `‖w − δq‖`; how far from the global one is told at `ExactProjection`.
///
/// Coarse gradient: straight through. Ties: halves round to the even level (both neighbours are equally near). All weights 0: `δ = 0`,
/// integer weights 0.
public struct LloydProjection: WeightQuantizer, Equatable {
    public let bits: Int
    /// Lloyd stops after this many iterations, if not before; the authors' code does exactly one, at 4 bits.
    public let maximumIterations: Int
    public var name: String { maximumIterations == Self.manyIterations ? "lloyd-\(bits)" : "lloyd-\(bits)-\(maximumIterations)" }
    public var maximumIntegerWeight: Int { (1 << (bits - 1)) - 1 }

    /// - Throws: `QuantizationError` unless `bits` is 2 … 8 and `maximumIterations` is 1 or more.
    public init(bits: Int, maximumIterations: Int = manyIterations) throws {
        guard (2...8).contains(bits) else { throw QuantizationError.bits(bits, of: "weight bits", allowed: 2...8) }
        guard maximumIterations >= 1 else { throw QuantizationError.iterations(maximumIterations) }
        self.init(checkedBits: bits, maximumIterations: maximumIterations)
    }

    @usableFromInline
    init(checkedBits bits: Int, maximumIterations: Int) { (self.bits, self.maximumIterations) = (bits, maximumIterations) }

    /// More than it takes.
    public static let manyIterations = 100

    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let top = T(maximumIntegerWeight)
        var scale = start(w.reduce(0) { max($0, $1.magnitude) })
        var integerWeights = w.map { _ in 0 }
        guard scale > 0 else { return (0, integerWeights) }
        for _ in 0..<maximumIterations {
            integerWeights = w.map { Int(min(max(($0 / scale).rounded(.toNearestOrEven), -top), top)) }
            let cross = zip(w, integerWeights).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let square = integerWeights.reduce(0.0) { $0 + Double($1 * $1) }
            let fitted = T(cross / square)  // the largest weight never rounds to 0, so square > 0
            if fitted == scale { break }  // the integer weights depend on the scale alone: they would not change
            scale = fitted
        }
        return (scale, integerWeights)
    }

    /// `2·max|w|/(2^bits − 1)`, written so that it cannot overflow.
    @inlinable
    func start<T: BinaryFloatingPoint>(_ maximum: T) -> T { maximum / (T((1 << bits) - 1) / 2) }
}

extension LloydProjection: MagnitudeProjection {
    /// In two passes an iteration, at most.
    package func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        let top = Float(maximumIntegerWeight)
        var scale = start(magnitudes.maximum)
        guard scale > 0 else { return slice.fill(0, code: 0) }
        var step = scale
        for _ in 0..<maximumIterations {
            step = scale
            let products = ck_rounded_products(slice.w, slice.count, step, top, threads)
            scale = Float(products.wq / products.qq)
            if scale == step { break }
        }
        ck_rounded_integer_weights(slice.w, slice.count, step, top, scale, slice.quantized, slice.integerWeights, threads)
        return scale
    }
}
