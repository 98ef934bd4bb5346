// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph

/// A convolution with weights `[O, I, K, K]` and, if asked, a bias `[O]`.
///
/// With quantized weights both passes use `w_q`; the weight gradient is taken at `w_q` and belongs to `w_f`
/// (METHOD.md part 1, BCGD).
final class ConvolutionLayer: Layer {
    private let weight: Parameter
    private let bias: Parameter?
    private let convolution: Convolution
    private let shards: Shards
    private let result: Tensor
    private let inputGradient: Tensor?
    private var input: Tensor?

    /// - Parameter isFirst: nothing asks for the gradient in the image, so the first layer does not compute it.
    init(_ shape: ConvolutionShape, weight: Parameter, bias: Parameter?, isFirst: Bool, in context: ExecutionContext) {
        (self.weight, self.bias, shards) = (weight, bias, context.shards)
        convolution = Convolution(shape, hasBias: bias != nil, engine: context.engine)
        result = shape.output.tensor(batch: context.batch)
        inputGradient = isFirst ? nil : shape.input.tensor(batch: context.batch)
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        try shards.forEach { images in
            try convolution.forward(
                input: input, weight: weight.effective, bias: bias?.value, output: result, from: images.lowerBound, batch: images.count)
        }
        return result
    }

    /// For the first layer the returned tensor is the output gradient itself, a placeholder that nobody reads.
    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        try shards.sum(into: [weight.gradient] + (bias.map { [$0.gradient] } ?? [])) { images, gradients in
            try convolution.backwardWeight(
                input: input, outputGradient: outputGradient, weightGradient: gradients[0], biasGradient: bias == nil ? nil : gradients[1],
                from: images.lowerBound, batch: images.count)
        }
        guard let inputGradient else { return outputGradient }
        try shards.forEach { images in
            try convolution.backwardInput(
                outputGradient: outputGradient, weight: weight.effective, inputGradient: inputGradient, from: images.lowerBound,
                batch: images.count)
        }
        return inputGradient
    }
}
