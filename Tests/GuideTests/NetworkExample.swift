// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Datasets
import Networks
import Training

/// Two 3×3 convolutions, each with batch norm, activation and a 2×2 maximum; mean over the pixels; classifier.
public func smallNetwork(input: FeatureShape, classes: Int, activation: Activation, in workshop: Workshop) -> Network {
    var layers: [any Layer] = []
    var shape = input
    for (index, channels) in [16, 32].enumerated() {
        let convolution = ConvolutionLayer(
            "conv\(index)", ConvolutionShape(input: shape, outputChannels: channels, kernel: 3, stride: 1, padding: 1),
            isFirst: index == 0, in: workshop)
        let pool = MaxPoolLayer(convolution.output, window: 2, stride: 2, in: workshop)
        layers += [
            convolution, BatchNormLayer("bn\(index)", convolution.output, in: workshop),
            activation.layer("act\(index)", convolution.output, in: workshop), pool,
        ]
        shape = pool.output
    }
    let mean = GlobalMeanPoolLayer(shape, in: workshop)
    let classifier = LinearLayer("fc", mean.output, outputs: classes, in: workshop)
    return Network(input: input, layers: layers + [mean, classifier])
}

/// - Parameter activation: the recipe's where it is nil.
public func smallTrainer(
    _ run: RunDescription, dataset: ImageDataset, activation: Activation? = nil, threads: Int
) throws -> Trainer {
    let activation = try activation ?? run.recipe.activation()
    return try Trainer(run, dataset: dataset, threads: threads) { input, classes, workshop in
        smallNetwork(input: input, classes: classes, activation: activation, in: workshop)
    }
}
