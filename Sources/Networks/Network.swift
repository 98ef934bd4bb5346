// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Statistics

/// A chain of layers from images `[N, H, W, C]` to class scores `[N, 1, 1, classes]`.
public final class Network {
    public let input: FeatureShape
    public let layers: [any Layer]
    public let parameters: [Parameter]
    public let statistics: [NamedTensor]
    private let backwardLayers: [any Layer]

    public init(input: FeatureShape, layers: [any Layer]) {
        precondition(!layers.isEmpty, "a network has a layer")
        (self.input, self.layers, backwardLayers) = (input, layers, layers.reversed())
        (parameters, statistics) = (layers.flatMap(\.parameters), layers.flatMap(\.statistics))
        let names = parameters.map(\.name) + statistics.map(\.name)
        precondition(Set(names).count == names.count, "two tensors of a network share a name")
    }

    public var classes: Int { layers.last?.output.channels ?? 0 }
    /// Multiply-adds of one image's forward pass.
    public var multiplyAdds: Int { layers.reduce(0) { $0 + $1.multiplyAdds } }
    /// The weights that quantization may take, from the first layer to the last.
    public var weights: [Parameter] { parameters.filter { $0.kind == .weight } }

    public func forward(_ images: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        try layers.reduce(images) { try $1.forward($0, batch: batch, mode: mode) }
    }

    /// Fills the gradients of all parameters from the gradient in the scores.
    public func backward(_ scoreGradient: Tensor, batch: Int) throws {
        _ = try backwardLayers.reduce(scoreGradient) { try $1.backward($0, batch: batch) }
    }

    /// Initial values from the seed, one stream a parameter; each layer's doc says its distribution.
    public func initialize(seed: UInt64) {
        for (index, parameter) in parameters.enumerated() {
            var random = Philox(seed: seed, stream: Self.initialStreams + UInt64(index))
            parameter.initialize(&random)
        }
    }

    /// The top byte of a stream number keeps the uses of one seed apart: 0x80 here, 0xD5 and 0xDA in `Datasets`.
    private static let initialStreams: UInt64 = 0x80 << 56
}
