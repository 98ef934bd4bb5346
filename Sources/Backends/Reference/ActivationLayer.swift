// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Quantization

/// `y = max(x, 0)`, `dx = dy·1{x > 0}`.
final class ReLULayer: Layer {
    private let output: FeatureShape
    private let result, inputGradient: Tensor
    private let threads: Int32
    private var input: Tensor?

    init(_ shape: FeatureShape, in context: ExecutionContext) {
        output = shape
        (result, inputGradient) = (shape.tensor(batch: context.batch), shape.tensor(batch: context.batch))
        threads = context.threads
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        ck_relu_forward(input.pointer, result.pointer, batch * output.count, threads)
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        ck_relu_backward(input.pointer, outputGradient.pointer, inputGradient.pointer, batch * output.count, threads)
        return inputGradient
    }
}

/// A quantized activation with its learned step size α (paper: resolution), one scalar for the layer; its formulas are at the
/// quantizer's, such as `QuantizedReLU`.
///
/// The gradient in α sums over the whole tensor. In calibration mode α becomes the quantizer's initial one, such as
/// `max(x)/(2^b − 1)` (METHOD.md part 2), before the layer acts; a layer for whose input it has none keeps its α.
final class QuantizedActivationLayer: Layer {
    private let quantizer: any ActivationQuantizer
    private let output: FeatureShape
    private let stepSize: Parameter
    private let result, inputGradient: Tensor
    private let threads: Int
    private let shards: Shards
    private var input: Tensor?

    init(_ quantizer: any ActivationQuantizer, _ shape: FeatureShape, stepSize: Parameter, in context: ExecutionContext) {
        (self.quantizer, output, self.stepSize) = (quantizer, shape, stepSize)
        (result, inputGradient) = (shape.tensor(batch: context.batch), shape.tensor(batch: context.batch))
        (threads, shards) = (context.engine.threads, context.shards)
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let count = batch * output.count
        if mode == .calibration { try stepSize.calibrate(quantizer, input.pointer, features: output.count, shards) }
        quantizer.forward(
            input: input.pointer, output: result.pointer, count: count, stepSize: stepSize.value.pointer[0], threads: threads)
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        var sum = 0.0
        try shards.sum(1, into: &sum) { images, sum in
            let first = images.lowerBound * output.count
            sum[0] = quantizer.backward(
                input: input.pointer + first, outputGradient: outputGradient.pointer + first, inputGradient: inputGradient.pointer + first,
                count: images.count * output.count, stepSize: stepSize.value.pointer[0], threads: threads)
        }
        stepSize.takeGradient(sum, of: quantizer, features: output.count)
        return inputGradient
    }
}

extension Parameter {
    /// A step size before training, from a layer's inputs, of all shards.
    func calibrate(_ quantizer: any ActivationQuantizer, _ inputs: UnsafePointer<Float>, features: Int, _ shards: Shards) throws {
        guard quantizer.fixedStepSize == nil, !isKeptByCalibration else { return }
        let parts = try shards.ofEach { images in
            quantizer.initialStepSize(UnsafeBufferPointer(start: inputs + images.lowerBound * features, count: images.count * features))
                ?? 0
        }
        if let first = quantizer.initialStepSize(ofParts: parts) { value.fill(first) }
    }

    /// The gradient in a step size; 0 where it is fixed.
    /// - Parameters:
    ///   - sum: of the coarse derivatives times the gradient in the layer's outputs.
    ///   - features: of these outputs, those of one image.
    func takeGradient(_ sum: Double, of quantizer: any ActivationQuantizer, features: Int) {
        gradient.fill(quantizer.fixedStepSize == nil ? Float(sum * Double(quantizer.stepSizeGradientScale(features: features))) : 0)
    }
}
