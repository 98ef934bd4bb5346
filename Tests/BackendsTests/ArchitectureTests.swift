// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization
import Testing

@Suite struct ArchitectureTests {
    /// Parameters in millions as He et al. (CVPR 2016, table 6) print them for ResNets; VGG's from its convolutions,
    /// 9·(3·64 + 64·128 + 128·256 + 256² + 256·512 + 3·512²) = 9.22 million, likewise the others.
    @Test(arguments: [
        ("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("resnet110", 1.7), ("vgg11", 9.2),
        ("vgg13", 9.4), ("vgg16", 14.7)
    ])
    func parameterCounts(_ name: String, _ millions: Double) throws {
        let graph = try NetworkGraph.named(name, input: FeatureShape(height: 32, width: 32, channels: 3), classes: 10)
        let count = graph.parameters.reduce(0) { $0 + $1.count }
        #expect(abs(Double(count) / 1e6 - millions) < (millions < 1 ? 0.005 : 0.06), "\(count)")
    }

    /// Both inputs, every precision, mixed with maps of levels and of bf16: one pass forward and back gives finite scores and gradients.
    @Test(arguments: ["resnet20", "resnet32", "vgg11", "vgg13", "vgg16", "imagenet-resnet18", "lenet5"], [(28, 1), (32, 3)])
    func everyNetworkTakesBothInputs(_ name: String, _ image: (side: Int, channels: Int)) throws {
        let input = FeatureShape(height: image.side, width: image.side, channels: image.channels)
        let weights = WeightQuantization(try WeightProjection(bits: 1))
        let quantized = ActivationFunction.quantized(try QuantizedReLU(bits: 4))
        for (precision, activation) in [(Precision.f32, quantized), (.mixed, quantized), (.mixed, .relu), (.s16, quantized)] {
            let graph = try NetworkGraph.named(name, input: input, classes: 10).quantized(activation, weights)
            let network = try Network(graph, precision: precision, in: context(batch: 2))
            network.initialize(seed: 1)
            network.tensors.project(threads: 1)
            let images = input.tensor(batch: 2)
            images.set((0..<images.count).map { Float($0 % 7) - 3 })
            let scores = try network.forward(images, batch: 2, mode: .calibration)
            #expect(scores.shape == [2, 1, 1, 10] && scores.values.allSatisfy(\.isFinite))
            _ = try network.forward(images, batch: 2, mode: .training)
            try network.backward(scores, batch: 2)
            #expect(network.parameters.allSatisfy { $0.gradient.values.allSatisfy(\.isFinite) })
        }
    }

    @Test(arguments: [
        "resnet21", "resnet2", "vgg12", "alexnet", "resnet", "resnet18", "imagenet-resnet50", "imagenet-resnet", "", "vgg+11", "resnet020",
        "lenet"
    ])
    func unknownNames(_ name: String) { #expect(!NetworkGraph.isKnown(name)) }
}
