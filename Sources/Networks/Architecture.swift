// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Quantization

/// A network of METHOD.md part 2 by name: `resnet8`, `resnet20`, … `resnet110` (any depth 6n + 2), `vgg11`, `vgg13`, `vgg16`,
/// `imagenet-resnet18`, `imagenet-resnet34`.
public enum Architecture: Equatable, Sendable {
    case cifarResNet(depth: Int)
    case vgg(depth: Int)
    case imageNetResNet(depth: Int)

    /// `nil` for a name that is none of ours; `allowed` says what is.
    public init?(name: String) {
        if name.hasPrefix("resnet"), let depth = Int(name.dropFirst(6)), depth >= 8, depth <= 1202, (depth - 2) % 6 == 0 {
            self = .cifarResNet(depth: depth)
        } else if name.hasPrefix("vgg"), let depth = Int(name.dropFirst(3)), VGG.configurations[depth] != nil {
            self = .vgg(depth: depth)
        } else if name.hasPrefix("imagenet-resnet"), let depth = Int(name.dropFirst(15)), ImageNetResNet.blocks[depth] != nil {
            self = .imageNetResNet(depth: depth)
        } else {
            return nil
        }
    }

    public static let allowed = "resnet20, 32, 44, 56, 110 (any 6n + 2 from resnet8), vgg11, vgg13, vgg16, imagenet-resnet18, imagenet-resnet34"

    /// - Parameters:
    ///   - weights: how weights will be projected, or `nil` for float ones.
    ///   - precision: `mixed` takes integer passes where weights and activations are both quantized; elsewhere it is f32.
    public func network(
        input: FeatureShape, classes: Int, activation: Activation, weights: WeightProjection? = nil, precision: Precision = .f32,
        in workshop: Workshop
    ) throws -> Network {
        if precision == .mixed, let weights, case .quantized(let function) = activation {
            switch self {
            case .cifarResNet(let depth):
                return try CIFARResNet.network(
                    depth: depth, input: input, classes: classes, function: function, weights: weights, in: workshop)
            case .vgg(let depth):
                return try VGG.network(
                    depth: depth, input: input, classes: classes, function: function, weights: weights, in: workshop)
            case .imageNetResNet: break
            }
        }
        switch self {
        case .cifarResNet(let depth):
            return CIFARResNet.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        case .vgg(let depth):
            return VGG.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        case .imageNetResNet(let depth):
            return ImageNetResNet.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        }
    }
}

/// The arithmetic of a training step.
public enum Precision: String, Codable, CaseIterable, Sendable {
    /// f32 throughout: the readable layers.
    case f32
    /// Exact integers forward, bf16 gradients with f32 sums backward (`IntegerBody`).
    case mixed
}
