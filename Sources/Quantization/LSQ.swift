// SPDX-License-Identifier: GPL-3.0-or-later

/// LSQ, learned step size quantization (Esser, McKinstry, Bablani, Appuswamy, Modha, ICLR 2020, arXiv:1902.08153), of activations:
///
///     σ(x, s) = s · round(clip(x/s, qmin, qmax))                               equations 1 and 2
///     ∂σ/∂x ≈ 1 where qmin < x/s < qmax, else 0                                 equation 5
///     ∂σ/∂s ≈ round(x/s) − x/s there, else qmin below and qmax above            equation 3
///
/// on 0 … 2^b − 1, which contains the ReLU, or signed on −2^(b−1) … 2^(b−1) − 1. The gradient in s is multiplied by 1/√(N·qmax), N the
/// numbers of one image's map (section 2.2); s begins at 2⟨|v|⟩/√qmax, v the first batch's pre-activations after the ReLU that an unsigned
/// grid contains (section 2.1).
///
/// Ties: halves round to the even level, as in PyTorch. Edges: at x/s = qmin and qmax both derivatives are those outside.
public struct LSQ: ActivationQuantizer, Equatable {
    public let bits: Int
    public let isSigned: Bool

    /// - Throws: `QuantizationError.bits` unless `bits` is 1 … 8, signed 2 … 8.
    public init(bits: Int, isSigned: Bool = false) throws {
        let allowed = (isSigned ? 2 : 1)...8
        guard allowed.contains(bits) else {
            throw QuantizationError.bits(bits, of: isSigned ? "bits of LSQ's weights" : "activation bits", allowed: allowed)
        }
        (self.bits, self.isSigned) = (bits, isSigned)
    }

    public var name: String { "lsq-\(bits)\(isSigned ? "-signed" : "")" }
    /// −128 is left out at 8 bits, as `WeightQuantizer` leaves it out.
    public var grid: ClosedRange<Int> { isSigned ? -min(1 << (bits - 1), 127)...(1 << (bits - 1)) - 1 : 0...(1 << bits) - 1 }
    public var rounding: FloatingPointRoundingRule? { .toNearestOrEven }

    private func isInside(_ t: Float) -> Bool { t > Float(grid.lowerBound) && t < Float(grid.upperBound) }

    public func inputDerivative(_ x: Float, stepSize: Float) -> Float { isInside(x / stepSize) ? 1 : 0 }

    public func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float {
        guard !x.isNaN else { return .nan }
        let t = x / stepSize
        return Float(level(x, stepSize: stepSize)) - (isInside(t) ? t : 0)
    }

    public func stepSizeGradientScale(features: Int) -> Float { 1 / (Float(features) * Float(grid.upperBound)).squareRoot() }

    /// `2⟨|v|⟩/√qmax`, if positive.
    public func initialStepSize(_ x: UnsafeBufferPointer<Float>) -> Float? {
        let mean = x.reduce(0.0) { $0 + Double(isSigned ? $1.magnitude : max($1, 0)) } / Double(max(x.count, 1))
        let first = Float(2 * mean / Double(grid.upperBound).squareRoot())
        return isUsable(stepSize: first) ? first : nil
    }

    /// Their mean, as of the magnitudes.
    public func initialStepSize(ofParts parts: [(value: Float, images: Int)]) -> Float? {
        guard parts.count != 1 else { return parts[0].value > 0 ? parts[0].value : nil }
        let mean = parts.reduce(0) { $0 + Double($1.value) * Double($1.images) } / Double(max(parts.reduce(0) { $0 + $1.images }, 1))
        return isUsable(stepSize: Float(mean)) ? Float(mean) : nil
    }
}

/// LSQ's weights: `LSQ` on the signed grid, with a learned step size of their own; N is the number of weights that share it. At 2 bits
/// and more: one bit has no level above 0.
public struct LSQWeights: LearnedStepSizeQuantizer, Equatable {
    public let function: LSQ

    /// - Throws: `QuantizationError.bits` unless `bits` is 2 … 8.
    public init(bits: Int) throws { function = try LSQ(bits: bits, isSigned: true) }

    public var name: String { "lsq-\(function.bits)" }

    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        let (low, high) = (T(function.grid.lowerBound), T(function.grid.upperBound))
        let scale = T(2 * w.reduce(0.0) { $0 + Double($1.magnitude) } / Double(w.count) / Double(function.grid.upperBound).squareRoot())
        guard scale > 0 else { return (0, w.map { _ in 0 }) }
        return (scale, w.map { Int(min(max(($0 / scale).rounded(.toNearestOrEven), low), high)) })
    }
}
