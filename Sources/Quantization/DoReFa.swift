// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// DoReFa-Net's activations (Zhou, Wu, Ni, Zhou, Wen, Zou, arXiv:1606.06160, equation 11): `quantize_b(clip(x, 0, 1))`, with
/// `quantize_b(x) = round((2^b − 1)x)/(2^b − 1)` (equation 5), so the step size is 1/(2^b − 1) and nothing is learned.
///
///     ∂σ/∂x ≈ 1 where 0 ≤ x ≤ 1, else 0
///
/// Ties: halves round to the even level, as in PyTorch. Edges: 0 and 1 pass the gradient, as through PyTorch's `clamp`.
public struct DoReFa: ActivationQuantizer, Equatable {
    public let bits: Int

    /// - Throws: `QuantizationError.bits` unless `bits` is 1 … 8.
    public init(bits: Int) throws {
        guard (1...8).contains(bits) else { throw QuantizationError.bits(bits, of: "activation bits", allowed: 1...8) }
        self.bits = bits
    }

    public var name: String { "dorefa-\(bits)" }
    public var grid: ClosedRange<Int> { 0...(1 << bits) - 1 }
    public var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    public var fixedStepSize: Float? { 1 / Float(grid.upperBound) }

    public func inputDerivative(_ x: Float, stepSize: Float) -> Float { x >= 0 && x <= 1 ? 1 : 0 }
    public func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { 0 }
}

/// DoReFa-Net's weights of 2 bits and more (equation 9): with t = tanh(w) and M = max|t|,
///
///     w_q = 2·quantize_b(t/(2M) + ½) − 1,
///
/// which are the odd integers −(2^b − 1) … 2^b − 1 in units of 1/(2^b − 1). Of 1 bit (equation 8) they are sign(w)·⟨|w|⟩, straight through:
/// `BinaryProjection`.
///
/// Coarse gradient: `quantize_b` straight through, all else differentiated, M too, as the authors' code does it (tensorpack, `dorefa.py`):
/// with g the gradient in w_q, ∂/∂t = g/M, and Σ g t/M² is taken from the largest |t| (in equal parts from several), with its sign;
/// ∂/∂w = (1 − t²)·∂/∂t.
///
/// Ties: halves round to even, as in PyTorch. Edges: with all weights 0 there is no M, and the scale is NaN.
public struct DoReFaWeights: TransformedWeightQuantizer, Equatable {
    public let bits: Int

    /// - Throws: `QuantizationError.bits` unless `bits` is 2 … 7: eight would need integer weights up to 255.
    public init(bits: Int) throws {
        guard (2...7).contains(bits) else { throw QuantizationError.bits(bits, of: "bits of DoReFa's weights", allowed: 2...7) }
        self.bits = bits
    }

    public var name: String { "dorefa-\(bits)" }
    public var maximumIntegerWeight: Int { (1 << bits) - 1 }

    private func tanhs<T: BinaryFloatingPoint>(_ w: [T]) -> (values: [Double], largest: Double) {
        let values = w.map { tanh(Double($0)) }
        return (values, values.reduce(0) { max($0, $1.magnitude) })
    }

    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        let (values, largest) = tanhs(w), top = Double(maximumIntegerWeight)
        guard largest > 0, w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        return (
            1 / T(maximumIntegerWeight),
            values.map { 2 * Int((($0 / (2 * largest) + 0.5) * top).rounded(.toNearestOrEven)) - maximumIntegerWeight }
        )
    }

    public func referenceGradient<T: BinaryFloatingPoint>(_ gradient: [T], weights: [T]) -> [T] {
        let (values, largest) = tanhs(weights)
        let share = zip(gradient, values).reduce(0.0) { $0 + Double($1.0) * $1.1 } / (largest * largest)
        let atLargest = Double(values.count { $0.magnitude == largest })
        return zip(gradient, values).map { g, t in
            let through = Double(g) / largest - (t.magnitude == largest ? (t < 0 ? -share : share) / atLargest : 0)
            return T((1 - t * t) * through)
        }
    }
}
