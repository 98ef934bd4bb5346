// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Networks
import Quantization

/// The network of the vectors `network_gradients`, `network_alpha_init`, `bcgd_*`: stem 3→4, block 4→4, block 4→8 with
/// stride 2, mean pool, linear 8→5; 1W4A. Images are 5×5×3.
func tinyNetwork(batch: Int, threads: Int = 1, activation: Activation? = nil) throws -> Network {
    let workshop = try workshop(batch: batch, threads: threads)
    let activation = try activation
        ?? .quantized(QuantizedReLU(bits: 4, inputDerivative: .clippedReLU, resolutionDerivative: .threeValued))
    let input = FeatureShape(height: 5, width: 5, channels: 3)
    let stem = ConvolutionLayer(
        "stem.conv", .init(input: input, outputChannels: 4, kernel: 3, stride: 1, padding: 1), in: workshop)
    let block1 = ResidualBlock("block1", stem.output, channels: 4, stride: 1, activation: activation, in: workshop)
    let block2 = ResidualBlock("block2", block1.output, channels: 8, stride: 2, activation: activation, in: workshop)
    let pool = GlobalMeanPoolLayer(block2.output, in: workshop)
    return Network(
        input: input,
        layers: [
            stem, BatchNormLayer("stem.bn", stem.output, in: workshop), activation.layer("stem.act", stem.output, in: workshop),
            block1, block2, pool, LinearLayer("linear", pool.output, outputs: 5, in: workshop),
        ])
}

/// Our name of a tensor as the vectors spell it.
func vectorName(_ name: String) -> String {
    if name.hasSuffix(".resolution") {
        return name.replacing(".resolution", with: "").replacing("stem.act", with: "stem.alpha").replacing(".act", with: ".alpha")
    }
    guard name.contains(".bn") else { return name }
    return name.replacing(".weight", with: ".gamma").replacing(".bias", with: ".beta")
}

/// Takes all parameters and running statistics from the vectors, and projects the weights.
func load(_ vector: Vector, into network: Network) throws {
    for parameter in network.parameters { parameter.value.set(try vector.floats(vectorName(parameter.name))) }
    for statistic in network.statistics { statistic.tensor.set(try vector.floats(vectorName(statistic.name))) }
    let projection = try WeightProjection(bits: 1)
    for weight in network.weights {
        weight.enableQuantization()
        guard let quantized = weight.quantized else { continue }
        projection.project(weight.value.pointer, count: weight.value.count, quantized: quantized.pointer, threads: 1)
    }
}
