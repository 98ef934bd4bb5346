// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph

/// `y = x Wᵀ + b`: features `[N, I]` to scores `[N, O]`, weights `[O, I]`; `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.
final class LinearLayer: Layer {
    let weight, bias: Parameter
    private let inputs, outputs: Int
    private let engine: Engine
    private let shards: Shards
    private let result, inputGradient: Tensor
    private var input: Tensor?

    init(_ input: FeatureShape, weight: Parameter, bias: Parameter, in context: ExecutionContext) {
        (self.weight, self.bias, inputs, outputs) = (weight, bias, input.count, bias.value.count)
        result = FeatureShape(height: 1, width: 1, channels: outputs).tensor(batch: context.batch)
        inputGradient = input.tensor(batch: context.batch)
        (engine, shards) = (context.engine, context.shards)
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        for n in 0..<batch { (result.pointer + n * outputs).update(from: bias.value.pointer, count: outputs) }
        try shards.forEach { images in
            try engine.multiply(
                .plain(input.pointer + images.lowerBound * inputs), .transposed(weight.effective.pointer),
                into: result.pointer + images.lowerBound * outputs, m: images.count, n: outputs, k: inputs, beta: 1)
        }
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        try shards.sum(into: [weight.gradient, bias.gradient]) { images, gradients in
            let (dy, first) = (outputGradient.pointer + images.lowerBound * outputs, images.lowerBound * inputs)
            for o in 0..<outputs { gradients[1].pointer[o] = (0..<images.count).reduce(into: Float(0)) { $0 += dy[$1 * outputs + o] } }
            try engine.multiply(
                .transposed(dy), .plain(input.pointer + first), into: gradients[0].pointer, m: outputs, n: inputs, k: images.count)
            try engine.multiply(
                .plain(dy), .plain(weight.effective.pointer), into: inputGradient.pointer + first, m: images.count, n: inputs, k: outputs)
        }
        return inputGradient
    }
}
