// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Quantization

/// ResNet-18 and ResNet-34 for ImageNet as torchvision defines them (METHOD.md part 2): a 7×7 convolution to 64 channels
/// with stride 2, batch norm, activation, 3×3 maximum with stride 2, four stages of basic blocks with 64, 128, 256, 512
/// channels, the later three starting with stride 2 and a projected shortcut, mean pool, linear.
///
/// Tensor names are torchvision's; resolutions are `act1.resolution` and `layerS.B.act1.resolution`, `….act2.resolution`.
/// Any image of 32 pixels or more a side will do: the mean pool takes what is left.
enum ImageNetResNet {
    /// Basic blocks of each stage; 10 is not torchvision's, it is the smallest with every kind of layer, for tests and trials.
    static let blocks = [10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3]]

    static func network(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, in workshop: Workshop
    ) -> Network {
        guard let blocks = blocks[depth] else { preconditionFailure("there is no ImageNet ResNet-\(depth)") }
        let first = ConvolutionLayer(
            "conv1", .init(input: input, outputChannels: 64, kernel: 7, stride: 2, padding: 3), isFirst: true, in: workshop)
        let pool = MaxPoolLayer(first.output, window: 3, stride: 2, padding: 1, in: workshop)
        var layers: [any Layer] = [
            first, BatchNormLayer("bn1", first.output, in: workshop),
            activation.layer("act1", first.output, in: workshop), pool,
        ]
        var shape = pool.output
        for (stage, count) in blocks.enumerated() {
            for block in 0..<count {
                let layer = ResidualBlock(
                    "layer\(stage + 1).\(block)", shape, channels: 64 << stage, stride: stage > 0 && block == 0 ? 2 : 1,
                    shortcut: .projection, activation: activation, in: workshop)
                layers.append(layer)
                shape = layer.output
            }
        }
        let mean = GlobalMeanPoolLayer(shape, in: workshop)
        layers += [mean, LinearLayer("fc", mean.output, outputs: classes, in: workshop)]
        return Network(input: input, layers: layers)
    }

    /// The same network in mixed precision.
    static func mixed(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, weights: WeightProjection?, in workshop: Workshop
    ) -> Network {
        guard let blocks = blocks[depth] else { preconditionFailure("there is no ImageNet ResNet-\(depth)") }
        let body = MixedBody(
            UnitNames(convolution: "conv1", norm: "bn1", activation: "act1"),
            .init(input: input, outputChannels: 64, kernel: 7, stride: 2, padding: 3), activation: activation, weights: weights,
            in: workshop
        ) { stem, arithmetic in
            let pool = MixedMaxPool(stem, window: 3, stride: 2, padding: 1, in: workshop)
            var (layers, map): ([any MixedLayer], _) = ([pool], pool.output)
            for (stage, count) in blocks.enumerated() {
                for block in 0..<count {
                    let layer = MixedResidualBlock(
                        "layer\(stage + 1).\(block)", map, channels: 64 << stage, stride: stage > 0 && block == 0 ? 2 : 1,
                        isProjected: true, arithmetic)
                    layers.append(layer)
                    map = layer.output
                }
            }
            return layers
        }
        return Network(input: input, layers: [body, LinearLayer("fc", body.output, outputs: classes, in: workshop)])
    }
}
