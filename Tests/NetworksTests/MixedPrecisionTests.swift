// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Networks
import Quantization
import Statistics
import Testing

/// Mixed precision against the f32 layers, its readable reference: the same parameters, the same images.
@Suite struct MixedPrecisionTests {
    private struct Case {
        let reference, mixed: Network
        let images: Tensor
        let batch: Int
    }

    private func networks(_ name: String, weightBits: Int, batch: Int, threads: Int, side: Int) throws -> Case {
        let input = FeatureShape(height: side, width: side, channels: 3)
        let weights = try WeightProjection(bits: weightBits)
        let activation = Activation.quantized(try QuantizedReLU(bits: 4))
        let architecture = try #require(Architecture(name: name))
        let both = try [Precision.f32, .mixed].map { precision in
            let network = try architecture.network(
                input: input, classes: 10, activation: activation, weights: weights, precision: precision,
                in: workshop(batch: batch, threads: threads))
            network.initialize(seed: 21)
            for weight in network.weights {
                weight.enableQuantization()
                weight.project(weights, threads: threads)
            }
            return network
        }
        let images = input.tensor(batch: batch)
        var random = Philox(seed: 22, stream: 0)
        images.set((0..<images.count).map { _ in Float(random.normal()) })
        return Case(reference: both[0], mixed: both[1], images: images, batch: batch)
    }

    private func deviation(_ a: [Float], _ b: [Float]) -> Float {
        let scale = b.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        return difference.isNaN ? .infinity : difference / max(scale, .leastNormalMagnitude)
    }

    @Test(arguments: [("resnet8", 1), ("resnet8", 2), ("vgg11", 1), ("resnet8", 4)], [1, 2])
    func agreesWithTheReference(_ network: (name: String, bits: Int), threads: Int) throws {
        let networks = try networks(network.name, weightBits: network.bits, batch: 4, threads: threads, side: 32)
        #expect(Set(networks.reference.parameters.map(\.name)) == Set(networks.mixed.parameters.map(\.name)))
        #expect(Set(networks.reference.statistics.map(\.name)) == Set(networks.mixed.statistics.map(\.name)))
        for each in [networks.reference, networks.mixed] {
            _ = try each.forward(networks.images, batch: networks.batch, mode: .calibration)
        }
        let scores = try [networks.reference, networks.mixed].map {
            try $0.forward(networks.images, batch: networks.batch, mode: .training).values
        }
        // A level flips where z/α lies within rounding of an integer, about one value in 10⁶. (Random ResNets of twenty
        // layers are too chaotic for this test: one early flip moves their scores by a percent.)
        #expect(deviation(scores[1], scores[0]) < 2e-3)
        let loss = SoftmaxCrossEntropy(classes: 10, in: try workshop(batch: networks.batch))
        for each in [networks.reference, networks.mixed] {
            let scores = try each.forward(networks.images, batch: networks.batch, mode: .training)
            _ = loss(scores, labels: [1, 4, 7, 9], batch: networks.batch)
            try each.backward(loss.gradient, batch: networks.batch)
        }
        for parameter in networks.reference.parameters where !(parameter.name.hasPrefix("conv") && parameter.name.hasSuffix(".bias")) {
            let other = try #require(networks.mixed.parameters.first { $0.name == parameter.name })
            // bf16 has 8 bits: one rounding errs by 2⁻⁹ at most, and the errors of a chain of layers add up like a random
            // walk: 0.03 at most was seen in the mean-square sense. A gradient in α is one number, a sum that cancels. A
            // missing factor or term exceeds both.
            let tolerance: Float = parameter.kind == .resolution ? 0.15 : 0.05
            #expect(deviation(other.gradient.values, parameter.gradient.values) < tolerance, "\(parameter.name)")
        }
        for statistic in networks.reference.statistics {
            let other = try #require(networks.mixed.statistics.first { $0.name == statistic.name })
            #expect(deviation(other.tensor.values, statistic.tensor.values) < 1e-3, "\(statistic.name)")
        }
        let evaluated = try [networks.reference, networks.mixed].map {
            try $0.forward(networks.images, batch: networks.batch, mode: .evaluation).values
        }
        #expect(deviation(evaluated[1], evaluated[0]) < 5e-3)
    }
}
