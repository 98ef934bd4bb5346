// SPDX-License-Identifier: GPL-3.0-or-later

/// What batch normalisation is in every backend: `y = γ x̂ + β`, `x̂ = (x − μ)/√(var + ε)` (`BatchNormLayer`).
public enum BatchNorm {
    /// ε.
    public static let epsilon: Float = 1e-5
    /// The share of a batch's statistics that the running ones take over, as in PyTorch.
    public static let runningRate: Float = 0.1

    /// Batch norm of one channel, and the step size α of what follows it, as one multiply-add of a convolution's sum `acc`, which
    /// is worth `unit·acc + bias`:
    ///
    ///     t = y/α − o = a·acc + b,   a = γ·unit/(s·α),   b = (β + γ(bias − μ)/s)/α − o,   s = √(var + ε)
    ///
    /// In `Double`, `a` and `b` rounded to f32 once: packed models hold these very numbers.
    public struct Folded: Equatable, Sendable {
        /// 1/s.
        public let inverse: Double
        public let exactA, exactB: Double
        public var a: Float { Float(exactA) }
        public var b: Float { Float(exactB) }

        /// - Parameters:
        ///   - unit: of the sums: the values are `unit·acc + bias`.
        ///   - bias: the convolution's, 0 where it has none.
        ///   - mean: μ of the values.
        ///   - variance: of the same values, without ε.
        ///   - scale: γ.
        ///   - shift: β of the affine map.
        ///   - stepSize: α; 1 where no levels follow.
        ///   - roundingOffset: o, of the quantizer that rounds t up.
        public init(
            unit: Double, bias: Double, mean: Double, variance: Double, scale: Double, shift: Double, stepSize: Double,
            roundingOffset: Double
        ) {
            inverse = 1 / (variance + Double(epsilon)).squareRoot()
            let gain = scale * inverse
            exactA = gain * unit / stepSize
            exactB = (shift + gain * (bias - mean)) / stepSize - roundingOffset
        }
    }
}
