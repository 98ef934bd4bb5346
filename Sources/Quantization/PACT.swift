// SPDX-License-Identifier: GPL-3.0-or-later

/// PACT, parameterized clipping activation (Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan, arXiv:1805.06085): the clip
/// a = s·qmax is learned, qmax = 2^b − 1,
///
///     y = ½(|x| − |x − a| + a) = min(max(x, 0), a)                              equation 1
///     σ(x) = s · round(y/s)                                                     equation 2
///     ∂σ/∂x ≈ 1 where 0 ≤ x < a, else 0;   ∂σ/∂a ≈ 1 where x ≥ a, else 0        equation 3
///
/// Here the parameter is s: ∂σ/∂s = qmax·∂σ/∂a, and the gradient is multiplied by 1/qmax², so that a step on s is the paper's on a. Its
/// regularisation, (λ/2)a² with the weights' λ (section 3.2), is weight decay on s: the recipe's `step_size_decay`. Training begins with
/// the largest pre-activation of the first batch for a; the paper begins with a large number that the regularisation brings down.
///
/// The paper's weights are DoReFa's (its section 5); SAWB (arXiv:1807.06964) came later and is not here.
///
/// Ties: halves round to the even level, as in PyTorch. Edges as in equation 3: x = 0 passes its gradient to x, x = a to a.
public struct PACT: ActivationQuantizer, Equatable {
    public let bits: Int

    /// - Throws: `QuantizationError.bits` unless `bits` is 1 … 8.
    public init(bits: Int) throws {
        guard (1...8).contains(bits) else { throw QuantizationError.bits(bits, of: "activation bits", allowed: 1...8) }
        self.bits = bits
    }

    public var name: String { "pact-\(bits)" }
    public var grid: ClosedRange<Int> { 0...(1 << bits) - 1 }
    public var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    private var qmax: Float { Float(grid.upperBound) }

    public func inputDerivative(_ x: Float, stepSize: Float) -> Float { x >= 0 && x < stepSize * qmax ? 1 : 0 }
    public func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { x >= stepSize * qmax ? qmax : 0 }
    public func stepSizeGradientScale(features: Int) -> Float { 1 / (qmax * qmax) }
}
