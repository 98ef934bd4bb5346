// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute

/// The basic block of ResNets (METHOD.md part 2):
///
///     y = act( bn(conv(act(bn(conv(x))))) + S x )
///
/// One activation follows the first batch norm and one the addition.
public final class ResidualBlock: Layer {
    /// `S` where the shape changes; elsewhere it is the identity.
    public enum Shortcut: Sendable {
        /// CIFAR's, free of parameters: every `stride`-th pixel, the channels padded with as many zeros on both sides.
        case subsampling
        /// ImageNet's: a 1×1 convolution with the stride, and its batch norm (`downsample.0`, `downsample.1`).
        case projection
    }

    public let output: FeatureShape
    private let branch: [any Layer]
    private let projection: [any Layer]
    private let activation: any Layer
    /// How the shortcut's map is added to the branch's, and its gradient to the branch's.
    private let addition, gradientAddition: ck_shortcut
    private let threads: Int32

    public init(
        _ name: String, _ input: FeatureShape, channels: Int, stride: Int, shortcut kind: Shortcut = .subsampling,
        activation: Activation, in workshop: Workshop
    ) {
        let conv1 = ConvolutionLayer(
            name + ".conv1", .init(input: input, outputChannels: channels, kernel: 3, stride: stride, padding: 1), in: workshop)
        let inner = conv1.output
        let conv2 = ConvolutionLayer(
            name + ".conv2", .init(input: inner, outputChannels: channels, kernel: 3, stride: 1, padding: 1), in: workshop)
        branch = [
            conv1, BatchNormLayer(name + ".bn1", inner, in: workshop),
            activation.layer(name + ".act1", inner, in: workshop),
            conv2, BatchNormLayer(name + ".bn2", inner, in: workshop),
        ]
        self.activation = activation.layer(name + ".act2", inner, in: workshop)
        output = inner
        threads = workshop.threads
        if kind == .projection, stride != 1 || channels != input.channels {
            let conv = ConvolutionLayer(
                name + ".downsample.0",
                .init(input: input, outputChannels: channels, kernel: 1, stride: stride, padding: 0), in: workshop)
            projection = [conv, BatchNormLayer(name + ".downsample.1", conv.output, in: workshop)]
            (addition, gradientAddition) = (Self.identity(inner), Self.identity(input))
        } else {
            precondition(channels >= input.channels && (channels - input.channels) % 2 == 0)
            projection = []
            addition = ck_shortcut(
                images: 0, height: input.height, width: input.width, channels: input.channels, stride: stride,
                pad: (channels - input.channels) / 2)
            gradientAddition = addition
        }
    }

    private static func identity(_ shape: FeatureShape) -> ck_shortcut {
        ck_shortcut(images: 0, height: shape.height, width: shape.width, channels: shape.channels, stride: 1, pad: 0)
    }

    private var layers: [any Layer] { branch + projection + [activation] }
    public var parameters: [Parameter] { layers.flatMap(\.parameters) }
    public var statistics: [NamedTensor] { layers.flatMap(\.statistics) }
    public var multiplyAdds: Int { layers.reduce(0) { $0 + $1.multiplyAdds } }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        let sum = try branch.reduce(input) { try $1.forward($0, batch: batch, mode: mode) }
        let carried = try projection.reduce(input) { try $1.forward($0, batch: batch, mode: mode) }
        ck_shortcut_forward(carried.pointer, sum.pointer, addition.with(images: batch), threads)
        return try activation.forward(sum, batch: batch, mode: mode)
    }

    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        let sumGradient = try activation.backward(outputGradient, batch: batch)
        let inputGradient = try branch.reversed().reduce(sumGradient) { try $1.backward($0, batch: batch) }
        let carriedGradient = try projection.reversed().reduce(sumGradient) { try $1.backward($0, batch: batch) }
        ck_shortcut_backward(carriedGradient.pointer, inputGradient.pointer, gradientAddition.with(images: batch), threads)
        return inputGradient
    }
}

extension ck_shortcut {
    func with(images: Int) -> ck_shortcut {
        var shape = self
        shape.images = images
        return shape
    }
}
