// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

/// A convolution with weights `[O, I, K, K]` and, if asked, a bias `[O]`.
///
/// With quantized weights both passes use `w_q`; the weight gradient is taken at `w_q` and belongs to `w_f`
/// (METHOD.md part 1, BCGD). Initial weights: normal(0, √(2/(K·K·O))) (METHOD.md part 2); the bias starts at 0.
public final class ConvolutionLayer: Layer {
    public let weight: Parameter
    public let bias: Parameter?
    public var output: FeatureShape { convolution.shape.output }
    public var parameters: [Parameter] { [weight] + [bias].compactMap { $0 } }
    public var multiplyAdds: Int { convolution.shape.multiplyAdds }

    private let convolution: Convolution
    private let result: Tensor
    private let inputGradient: Tensor?
    private var input: Tensor?

    /// - Parameter isFirst: nothing asks for the gradient in the image, so the first layer does not compute it.
    public init(_ name: String, _ shape: ConvolutionShape, hasBias: Bool = false, isFirst: Bool = false, in workshop: Workshop) {
        let weightShape = [shape.outputChannels, shape.input.channels, shape.kernel, shape.kernel]
        let deviation = (2 / Double(shape.kernel * shape.kernel * shape.outputChannels)).squareRoot()
        weight = Parameter(name + ".weight", .weight, shape: weightShape, initial: .normal(deviation: deviation))
        bias = hasBias ? Parameter(name + ".bias", .affine, shape: [shape.outputChannels]) : nil
        convolution = Convolution(shape, hasBias: hasBias, engine: workshop.engine)
        result = shape.output.tensor(batch: workshop.batch)
        inputGradient = isFirst ? nil : shape.input.tensor(batch: workshop.batch)
    }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        try convolution.forward(input: input, weight: weight.effective, bias: bias?.value, output: result, batch: batch)
        return result
    }

    /// For the first layer the returned tensor is the output gradient itself, a placeholder that nobody reads.
    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
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
