// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Quantization
import Statistics

/// What a forward pass is for.
public enum Mode: Sendable {
    /// Batch statistics normalise; running statistics are updated; what the backward pass needs is kept.
    case training
    /// As training, but each quantized ReLU first sets its resolution from its own input, and running statistics
    /// stay: layer after layer, the earlier ones already quantized (METHOD.md part 2).
    case calibration
    /// Running statistics normalise; nothing is changed.
    case evaluation
}

/// One learned tensor with all that training keeps of it.
public final class Parameter {
    public enum Kind: Sendable {
        /// A convolution's or linear layer's weights, which may be quantized.
        case weight
        /// A bias, or batch norm's scale or shift.
        case affine
        /// The resolution α of a quantized ReLU, shape `[1]`.
        case resolution
    }

    public let name: String
    public let kind: Kind
    /// The float values; for a quantized weight, `w_f`.
    public let value: Tensor
    public let gradient: Tensor
    public let momentum: Tensor
    /// `w_q = δ·q`, the values that the f32 passes use, once the parameter is quantized; not kept `multipliesByCodes`.
    public private(set) var quantized: Tensor?
    /// The integers `q` and the scale δ of the last projection, which the integer passes use.
    package private(set) var codes: UnsafeMutablePointer<Int8>?
    package private(set) var codeScale: Float = 0
    /// The layer never asks for `w_q`, only for codes and scale.
    private let multipliesByCodes: Bool

    /// What the values are before training.
    enum Initial {
        case constant(Float)
        case normal(deviation: Double)

        /// normal(0, √(2/(K·K·O))) (METHOD.md part 2).
        static func convolution(outputs: Int, kernel: Int) -> Initial {
            .normal(deviation: (2 / Double(kernel * kernel * outputs)).squareRoot())
        }
    }

    private let initial: Initial

    init(_ name: String, _ kind: Kind, shape: [Int], initial: Initial = .constant(0), multipliesByCodes: Bool = false) {
        (self.name, self.kind, self.initial, self.multipliesByCodes) = (name, kind, initial, multipliesByCodes)
        (value, gradient, momentum) = (Tensor(shape), Tensor(shape), Tensor(shape))
        if case .constant(let constant) = initial { value.fill(constant) }
    }

    deinit { codes?.deallocate() }

    /// Draws the initial values; a constant draws nothing.
    func initialize(_ random: inout Philox) {
        for i in 0..<value.count {
            switch initial {
            case .constant(let constant): value.pointer[i] = constant
            case .normal(let deviation): value.pointer[i] = Float(deviation * random.normal())
            }
        }
    }

    /// What the forward and backward passes multiply by: `w_q` if there is one, else the float values.
    public var effective: Tensor {
        precondition(codes == nil || !multipliesByCodes, "\(name) keeps codes only")
        return quantized ?? value
    }

    /// Makes room for the codes and, where a layer uses it, `w_q`; the values come with `project`.
    public func enableQuantization() {
        guard codes == nil else { return }
        codes = .allocate(capacity: value.count)
        codes?.update(repeating: 0, count: value.count)
        if !multipliesByCodes { quantized = Tensor(value.shape) }
    }

    /// `w_q ← proj_Q(w_f)`, one scale for the tensor. Does nothing unless quantization is enabled.
    public func project(_ projection: WeightProjection, threads: Int) {
        project(projection, Magnitudes(of: value.pointer, count: value.count, threads: threads), threads: threads)
    }

    /// The same after a pass over the weights that has summed their magnitudes already.
    package func project(_ projection: WeightProjection, _ magnitudes: Magnitudes, threads: Int) {
        guard let codes else { return }
        // A projection follows the use of the gradient or the start of training: the gradient's room is free.
        codeScale = projection.project(
            value.pointer, count: value.count, magnitudes, quantized: quantized?.pointer, codes: codes,
            scratch: quantized?.pointer ?? gradient.pointer, threads: threads)
    }

    /// The codes and the scale δ.
    var requiredCodes: (UnsafePointer<Int8>, Float) {
        guard let codes else { preconditionFailure("\(name) is not quantized") }
        return (UnsafePointer(codes), codeScale)
    }
}

/// A tensor that belongs to the network's state without being learned (running statistics).
public struct NamedTensor {
    public let name: String
    public let tensor: Tensor
}

/// A layer with hand-written forward and (coarse) backward passes over channels-last maps.
///
/// `forward` returns a buffer that the layer owns and overwrites at the next call; `backward` takes the gradient of
/// the loss in that output, *overwrites* the gradients of the layer's parameters, and returns the gradient in the
/// input of the last `forward`. Only the leading `batch` images of any tensor are read or written.
public protocol Layer: AnyObject {
    var output: FeatureShape { get }
    var parameters: [Parameter] { get }
    var statistics: [NamedTensor] { get }
    /// Multiply-adds of one image's forward pass (convolutions and linear layers; the rest is not counted).
    var multiplyAdds: Int { get }
    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor
    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor
}

extension Layer {
    public var parameters: [Parameter] { [] }
    public var statistics: [NamedTensor] { [] }
    public var multiplyAdds: Int { 0 }
}

/// Where a layer's memory and arithmetic come from: the engine, and the largest batch to plan for.
public struct Workshop {
    public let engine: Engine
    public let batch: Int

    public init(engine: Engine, batch: Int) {
        precondition(batch >= 1, "a batch has an image")
        (self.engine, self.batch) = (engine, batch)
    }

    var threads: Int32 { Int32(engine.threads) }
}
