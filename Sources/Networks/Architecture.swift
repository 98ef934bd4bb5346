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

    /// About how many weights its convolutions have.
    package var weights: Int {
        func block(_ input: Int, _ output: Int) -> Int { 9 * output * (input + output) + (input == output ? 0 : input * output) }
        switch self {
        case .cifarResNet(let depth):
            return (depth - 2) / 6 * [16, 32, 64].reduce(0) { $0 + block($1, $1) }
        case .vgg(let depth):
            let channels = (VGG.configurations[depth] ?? []).compactMap { step in if case .conv(let channels) = step { channels } else { nil } }
            return zip([3] + channels, channels).reduce(0) { $0 + 9 * $1.0 * $1.1 }
        case .imageNetResNet(let depth):
            let stages = zip(ImageNetResNet.blocks[depth] ?? [], [64, 128, 256, 512])
            return stages.reduce(0) { $0 + block(max(64, $1.1 / 2), $1.1) + ($1.0 - 1) * block($1.1, $1.1) }
        }
    }

    /// - Parameters:
    ///   - weights: how weights will be projected, or `nil` for float ones.
    ///   - precision: the arithmetic; the tensors' names do not depend on it.
    /// - Throws: `NetworkError` for mixed precision with a custom activation.
    public func network(
        input: FeatureShape, classes: Int, activation: Activation, weights: WeightProjection? = nil, precision: Precision = .f32,
        in workshop: Workshop
    ) throws -> Network {
        if case .custom(let custom) = activation, precision == .mixed {
            throw NetworkError(description: "mixed precision has ReLU and the quantized ReLU only; use the activation \(custom.name) in f32")
        }
        return switch (self, precision) {
        case (.cifarResNet(let depth), .f32):
            CIFARResNet.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        case (.cifarResNet(let depth), .mixed):
            CIFARResNet.mixed(
                depth: depth, input: input, classes: classes, activation: activation, weights: weights, in: workshop)
        case (.vgg(let depth), .f32):
            VGG.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        case (.vgg(let depth), .mixed):
            VGG.mixed(depth: depth, input: input, classes: classes, activation: activation, weights: weights, in: workshop)
        case (.imageNetResNet(let depth), .mixed):
            ImageNetResNet.mixed(
                depth: depth, input: input, classes: classes, activation: activation, weights: weights, in: workshop)
        case (.imageNetResNet(let depth), .f32):
            ImageNetResNet.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        }
    }
}

/// A network that cannot be built; the message says why and what to do.
public struct NetworkError: Error, CustomStringConvertible, Equatable {
    public let description: String
}

/// The arithmetic of a training step.
public enum Precision: String, Codable, CaseIterable, Sendable {
    /// f32 throughout: the readable layers.
    case f32
    /// Low precision with wide sums (`MixedBody`): exact integers forward where weights and activations are quantized, bf16
    /// elsewhere. Correct on every processor; slow on those without AVX-512 VNNI and BF16.
    case mixed

    /// The fastest on this processor.
    public static var best: Precision { QuantizedConvolution.Path.best == .avx512 ? .mixed : .f32 }
}
