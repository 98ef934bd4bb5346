// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Quantization

/// ResNet for small images (He et al. 2016, section 4.2): a 3×3 convolution to 16 channels, three stages of
/// `(depth − 2)/6` basic blocks with 16, 32, 64 channels, the later two starting with stride 2, mean pool, linear.
enum CIFARResNet {
    static func network(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, in workshop: Workshop
    ) -> Network {
        let first = ConvolutionLayer(
            "conv1", .init(input: input, outputChannels: 16, kernel: 3, stride: 1, padding: 1), isFirst: true, in: workshop)
        var layers: [any Layer] = [
            first, BatchNormLayer("bn1", first.output, in: workshop),
            activation.layer("act1", first.output, in: workshop),
        ]
        var shape = first.output
        for (stage, channels) in [16, 32, 64].enumerated() {
            for block in 0..<(depth - 2) / 6 {
                let layer = ResidualBlock(
                    "layer\(stage + 1).\(block)", shape, channels: channels, stride: stage > 0 && block == 0 ? 2 : 1,
                    activation: activation, in: workshop)
                layers.append(layer)
                shape = layer.output
            }
        }
        let pool = GlobalMeanPoolLayer(shape, in: workshop)
        layers += [pool, LinearLayer("fc", pool.output, outputs: classes, in: workshop)]
        return Network(input: input, layers: layers)
    }

    /// The same network in mixed precision.
    static func mixed(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, weights: WeightProjection?, in workshop: Workshop
    ) -> Network {
        let body = MixedBody(
            UnitNames(convolution: "conv1", norm: "bn1", activation: "act1"),
            .init(input: input, outputChannels: 16, kernel: 3, stride: 1, padding: 1), activation: activation, weights: weights,
            in: workshop
        ) { stem, arithmetic in
            var (layers, map): ([any MixedLayer], _) = ([], stem)
            for (stage, channels) in [16, 32, 64].enumerated() {
                for block in 0..<(depth - 2) / 6 {
                    let layer = MixedResidualBlock(
                        "layer\(stage + 1).\(block)", map, channels: channels, stride: stage > 0 && block == 0 ? 2 : 1, arithmetic)
                    layers.append(layer)
                    map = layer.output
                }
            }
            return layers
        }
        return Network(input: input, layers: [body, LinearLayer("fc", body.output, outputs: classes, in: workshop)])
    }
}
