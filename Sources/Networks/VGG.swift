// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Quantization

/// VGG for small images with one linear layer (METHOD.md part 2): 3×3 convolutions with bias, each followed by batch norm
/// and the activation; `M` is a 2×2 maximum. A pool whose map has already shrunk to one pixel (28×28 input) is left out.
enum VGG {
    enum Step { case conv(Int), pool }

    static let configurations: [Int: [Step]] = [
        11: plan("64 M 128 M 256 256 M 512 512 M 512 512 M"),
        13: plan("64 64 M 128 128 M 256 256 M 512 512 M 512 512 M"),
        16: plan("64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"),
    ]

    private static func plan(_ text: String) -> [Step] {
        text.split(separator: " ").map { Int($0).map(Step.conv) ?? .pool }
    }

    static func network(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, in workshop: Workshop
    ) -> Network {
        guard let plan = configurations[depth] else { preconditionFailure("there is no VGG-\(depth)") }
        var layers: [any Layer] = []
        var (shape, index) = (input, 0)
        for step in plan {
            switch step {
            case .conv(let channels):
                let conv = ConvolutionLayer(
                    "conv\(index)", .init(input: shape, outputChannels: channels, kernel: 3, stride: 1, padding: 1),
                    hasBias: true, isFirst: index == 0, in: workshop)
                shape = conv.output
                layers += [
                    conv, BatchNormLayer("bn\(index)", shape, in: workshop),
                    activation.layer("act\(index)", shape, in: workshop),
                ]
                index += 1
            case .pool where min(shape.height, shape.width) > 1:
                let pool = MaxPoolLayer(shape, window: 2, stride: 2, in: workshop)
                layers.append(pool)
                shape = pool.output
            case .pool: break
            }
        }
        layers.append(LinearLayer("fc", shape, outputs: classes, in: workshop))
        return Network(input: input, layers: layers)
    }

    /// The same network in mixed precision. The last map has one pixel, so the mean over pixels is the map itself.
    static func mixed(
        depth: Int, input: FeatureShape, classes: Int, activation: Activation, weights: WeightProjection?, in workshop: Workshop
    ) -> Network {
        guard let plan = configurations[depth], case .conv(let channels) = plan[0] else { preconditionFailure("there is no VGG-\(depth)") }
        func names(_ index: Int) -> UnitNames {
            UnitNames(convolution: "conv\(index)", norm: "bn\(index)", activation: "act\(index)")
        }
        func shape(_ input: FeatureShape, _ channels: Int) -> ConvolutionShape {
            ConvolutionShape(input: input, outputChannels: channels, kernel: 3, stride: 1, padding: 1)
        }
        let body = MixedBody(
            names(0), shape(input, channels), hasBias: true, activation: activation, weights: weights, in: workshop
        ) { stem, arithmetic in
            var (layers, map, index): ([any MixedLayer], _, _) = ([], stem, 1)
            for step in plan.dropFirst() {
                switch step {
                case .conv(let channels):
                    layers.append(ConvolutionUnit(names(index), shape(map.shape, channels), hasBias: true, arithmetic))
                    index += 1
                case .pool where min(map.shape.height, map.shape.width) > 1:
                    layers.append(MixedMaxPool(map, window: 2, stride: 2, in: workshop))
                case .pool: continue
                }
                map = layers.last?.output ?? map
            }
            return layers
        }
        return Network(input: input, layers: [body, LinearLayer("fc", body.output, outputs: classes, in: workshop)])
    }
}
