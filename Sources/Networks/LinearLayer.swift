// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

/// `y = x Wᵀ + b`: features `[N, I]` to scores `[N, O]`, weights `[O, I]`; `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.
///
/// Initial weights: normal(0, √(2/I)), as [A] has them; the bias starts at 0.
public final class LinearLayer: Layer {
    public let weight, bias: Parameter
    public let output: FeatureShape
    public var parameters: [Parameter] { [weight, bias] }
    public var multiplyAdds: Int { weight.value.count }
    private let inputs: Int
    private let engine: Engine
    private let result, inputGradient: Tensor
    private var input: Tensor?

    public init(_ name: String, _ input: FeatureShape, outputs: Int, in workshop: Workshop) {
        inputs = input.count
        let deviation = (2 / Double(inputs)).squareRoot()
        weight = Parameter(name + ".weight", .weight, shape: [outputs, inputs], initial: .normal(deviation: deviation))
        bias = Parameter(name + ".bias", .affine, shape: [outputs])
        output = FeatureShape(height: 1, width: 1, channels: outputs)
        (result, inputGradient) = (output.tensor(batch: workshop.batch), input.tensor(batch: workshop.batch))
        engine = workshop.engine
    }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let outputs = output.channels
        for n in 0..<batch { (result.pointer + n * outputs).update(from: bias.value.pointer, count: outputs) }
        try engine.multiply(
            .plain(input.pointer), .transposed(weight.effective.pointer), into: result.pointer, m: batch, n: outputs, k: inputs,
            beta: 1)
        return result
    }

    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        let (outputs, dy) = (output.channels, outputGradient.pointer)
        for o in 0..<outputs {
            bias.gradient.pointer[o] = (0..<batch).reduce(into: Float(0)) { $0 += dy[$1 * outputs + o] }
        }
        try engine.multiply(
            .transposed(dy), .plain(input.pointer), into: weight.gradient.pointer, m: outputs, n: inputs, k: batch)
        try engine.multiply(
            .plain(dy), .plain(weight.effective.pointer), into: inputGradient.pointer, m: batch, n: inputs, k: outputs)
        return inputGradient
    }
}
