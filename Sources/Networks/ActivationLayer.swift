// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// The activation of a network: ReLU ("32A"), the quantized ReLU of METHOD.md part 1, or one's own.
public enum Activation: Equatable, Sendable {
    case relu
    case quantized(QuantizedReLU)
    /// For networks in f32.
    case custom(CustomActivation)

    public func layer(_ name: String, _ shape: FeatureShape, in workshop: Workshop) -> any Layer {
        switch self {
        case .relu: ReLULayer(shape, in: workshop)
        case .quantized(let function): QuantizedReLULayer(name, function, shape, in: workshop)
        case .custom(let custom): custom.layer(name, shape, workshop)
        }
    }
}

/// Makes the activation layers of a network (`Documentation/AddingAQuantizer.md`); equal to another of the same name.
public struct CustomActivation: Equatable, Sendable {
    public let name: String
    let layer: @Sendable (String, FeatureShape, Workshop) -> any Layer

    /// - Parameter layer: given the name that its parameters' names begin with, the shape of its input and of its output,
    ///   and the workshop.
    public init(_ name: String, layer: @escaping @Sendable (String, FeatureShape, Workshop) -> any Layer) {
        (self.name, self.layer) = (name, layer)
    }

    /// A quantizer of one's own.
    public init(_ quantizer: any ActivationQuantizer) {
        self.init(quantizer.name) { QuantizedReLULayer($0, quantizer, $1, in: $2) }
    }

    public static func == (a: CustomActivation, b: CustomActivation) -> Bool { a.name == b.name }
}

/// `y = max(x, 0)`, `dx = dy·1{x > 0}`.
public final class ReLULayer: Layer {
    public let output: FeatureShape
    private let result, inputGradient: Tensor
    private let threads: Int32
    private var input: Tensor?

    public init(_ shape: FeatureShape, in workshop: Workshop) {
        output = shape
        (result, inputGradient) = (shape.tensor(batch: workshop.batch), shape.tensor(batch: workshop.batch))
        threads = workshop.threads
    }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        ck_relu_forward(input.pointer, result.pointer, batch * output.count, threads)
        return result
    }

    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        ck_relu_backward(input.pointer, outputGradient.pointer, inputGradient.pointer, batch * output.count, threads)
        return inputGradient
    }
}

/// A quantized activation with its learned step size (resolution α), one scalar for the layer; the formulas are the quantizer's, such as
/// `QuantizedReLU`.
///
/// The gradient in α sums over the whole tensor. In calibration mode α becomes the quantizer's initial one before the layer
/// acts (`max(x)/(2^b − 1)`, METHOD.md part 2); a layer for whose inputs it has none keeps its α.
public final class QuantizedReLULayer: Layer {
    public let function: any ActivationQuantizer
    public let output: FeatureShape
    public let resolution: Parameter
    public var parameters: [Parameter] { [resolution] }
    private let result, inputGradient: Tensor
    private let threads: Int
    private var input: Tensor?

    public init(_ name: String, _ function: any ActivationQuantizer, _ shape: FeatureShape, in workshop: Workshop) {
        (self.function, output) = (function, shape)
        resolution = Parameter(name + ".resolution", .resolution, shape: [1], initial: .constant(function.fixedStepSize ?? 1))
        (result, inputGradient) = (shape.tensor(batch: workshop.batch), shape.tensor(batch: workshop.batch))
        threads = workshop.engine.threads
    }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let count = batch * output.count
        let inputs = UnsafeBufferPointer(start: UnsafePointer(input.pointer), count: count)
        if mode == .calibration, function.fixedStepSize == nil, let first = function.initialStepSize(inputs) {
            resolution.value.fill(first)
        }
        function.forward(
            input: input.pointer, output: result.pointer, count: count, stepSize: resolution.value.pointer[0],
            threads: threads)
        return result
    }

    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        let sum = function.backward(
            input: input.pointer, outputGradient: outputGradient.pointer, inputGradient: inputGradient.pointer,
            count: batch * output.count, stepSize: resolution.value.pointer[0], threads: threads)
        let scale = function.stepSizeGradientScale(count: batch * output.count)
        resolution.gradient.fill(function.fixedStepSize == nil ? Float(sum * Double(scale)) : 0)
        return inputGradient
    }
}
