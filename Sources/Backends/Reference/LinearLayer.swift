// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// `y = x Wᵀ + b`: features `[N, I]` to scores `[N, O]`, weights `[O, I]`; `dx = dy W`, `dW = dyᵀ x`, `db = Σ dy`.
///
/// By OpenBLAS, or in an order that the shapes alone decide (`isOrdered`): the same bits on every processor.
///
/// A map `[N, H, W, C]` is read in the order of the weights, `I = C·H·W`, as PyTorch flattens it.
final class LinearLayer: Layer {
    let weight, bias: Parameter
    private let shape: FeatureShape
    private let inputs, outputs: Int
    private let isOrdered: Bool
    private let engine: Engine
    private let shards: Shards
    private let result, inputGradient: Tensor
    /// Where the map has more than one position: it and its gradient as `[N, C, H, W]`.
    private let flattened: (input: Tensor, gradient: Tensor)?
    private var input: Tensor?

    init(_ input: FeatureShape, weight: Parameter, bias: Parameter, isOrdered: Bool = false, in context: ExecutionContext) {
        (self.weight, self.bias, shape, inputs, outputs, self.isOrdered) = (weight, bias, input, input.count, bias.value.count, isOrdered)
        flattened = input.height * input.width > 1 ? (input.tensor(batch: context.batch), input.tensor(batch: context.batch)) : nil
        result = FeatureShape(height: 1, width: 1, channels: outputs).tensor(batch: context.batch)
        inputGradient = input.tensor(batch: context.batch)
        (engine, shards) = (context.engine, context.shards)
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        if let flattened { transpose(input, rows: shape.height * shape.width, into: flattened.input, batch: batch) }
        let input = flattened?.input ?? input
        self.input = input
        if isOrdered {
            ck_linear_forward(input.pointer, weight.effective.pointer, bias.value.pointer, result.pointer, batch, inputs, outputs, threads)
            return result
        }
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
        let gradient = flattened?.gradient ?? inputGradient
        try shards.sum(into: [weight.gradient, bias.gradient]) { images, gradients in
            let (dy, first) = (outputGradient.pointer + images.lowerBound * outputs, images.lowerBound * inputs)
            for o in 0..<outputs { gradients[1].pointer[o] = (0..<images.count).reduce(into: Float(0)) { $0 += dy[$1 * outputs + o] } }
            if isOrdered {
                ck_linear_backward_weight(input.pointer + first, dy, gradients[0].pointer, images.count, inputs, outputs, threads)
                ck_linear_backward_input(dy, weight.effective.pointer, gradient.pointer + first, images.count, inputs, outputs, threads)
                return
            }
            try engine.multiply(
                .transposed(dy), .plain(input.pointer + first), into: gradients[0].pointer, m: outputs, n: inputs, k: images.count)
            try engine.multiply(
                .plain(dy), .plain(weight.effective.pointer), into: gradient.pointer + first, m: images.count, n: inputs, k: outputs)
        }
        if flattened != nil { transpose(gradient, rows: shape.channels, into: inputGradient, batch: batch) }
        return inputGradient
    }

    private var threads: Int32 { Int32(engine.threads) }

    /// Each image's matrix `[rows, columns]`, turned.
    private func transpose(_ from: Tensor, rows: Int, into: Tensor, batch: Int) {
        let columns = inputs / rows
        for n in 0..<batch {
            let (source, target) = (from.pointer + n * inputs, into.pointer + n * inputs)
            for row in 0..<rows { for column in 0..<columns { target[column * rows + row] = source[row * columns + column] } }
        }
    }
}
