// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute

/// The CIFAR ResNet basic block with the parameter-free shortcut (METHOD.md part 2):
///
///     y = act( bn(conv(act(bn(conv(x))))) + S x )
///
/// `S` keeps every `stride`-th pixel and pads the channels with zeros, the same number on both sides. One activation
/// follows the first batch norm and one the addition.
public final class ResidualBlock: Layer {
    public let output: FeatureShape
    private let branch: [any Layer]
    private let activation: any Layer
    private let shortcut: ck_shortcut
    private let threads: Int32

    public init(
        _ name: String, _ input: FeatureShape, channels: Int, stride: Int, activation: Activation, in workshop: Workshop
    ) {
        precondition(channels >= input.channels && (channels - input.channels) % 2 == 0)
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
        shortcut = ck_shortcut(
            images: 0, height: input.height, width: input.width, channels: input.channels, stride: stride,
            pad: (channels - input.channels) / 2)
        threads = workshop.threads
    }

    private var layers: [any Layer] { branch + [activation] }
    public var parameters: [Parameter] { layers.flatMap(\.parameters) }
    public var statistics: [NamedTensor] { layers.flatMap(\.statistics) }
    public var multiplyAdds: Int { layers.reduce(0) { $0 + $1.multiplyAdds } }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        let sum = try branch.reduce(input) { try $1.forward($0, batch: batch, mode: mode) }
        ck_shortcut_forward(input.pointer, sum.pointer, shape(batch), threads)
        return try activation.forward(sum, batch: batch, mode: mode)
    }

    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        let sumGradient = try activation.backward(outputGradient, batch: batch)
        let inputGradient = try branch.reversed().reduce(sumGradient) { try $1.backward($0, batch: batch) }
        ck_shortcut_backward(sumGradient.pointer, inputGradient.pointer, shape(batch), threads)
        return inputGradient
    }

    private func shape(_ batch: Int) -> ck_shortcut {
        var shape = shortcut
        shape.images = batch
        return shape
    }
}
