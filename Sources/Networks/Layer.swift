// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

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
