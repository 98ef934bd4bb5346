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
    private let result: Tensor
    private let inputGradient: Tensor?
    private var input: Tensor?

    /// - Parameter isFirst: nothing asks for the gradient in the image, so the first layer does not compute it.
    init(_ shape: ConvolutionShape, weight: Parameter, bias: Parameter?, isFirst: Bool, in context: ExecutionContext) {
        (self.weight, self.bias) = (weight, bias)
        convolution = Convolution(shape, hasBias: bias != nil, engine: context.engine)
        result = shape.output.tensor(batch: context.batch)
        inputGradient = isFirst ? nil : shape.input.tensor(batch: context.batch)
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        try convolution.forward(input: input, weight: weight.effective, bias: bias?.value, output: result, batch: batch)
        return result
    }

    /// For the first layer the returned tensor is the output gradient itself, a placeholder that nobody reads.
    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        try convolution.backwardWeight(
            input: input, outputGradient: outputGradient, weightGradient: weight.gradient, biasGradient: bias?.gradient,
            batch: batch)
        guard let inputGradient else { return outputGradient }
        try convolution.backwardInput(
            outputGradient: outputGradient, weight: weight.effective, inputGradient: inputGradient, batch: batch)
        return inputGradient
    }
}
