// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization
import Statistics
import Testing

/// What a network is made of, named as test output shows it.
struct Bits: CustomStringConvertible, Sendable {
    let network: String
    /// 32: float.
    let weights, activations: Int
    /// The first and the last layer's weights stay float.
    var inner = false
    /// A scale for each output channel; channels are then of unlike size.
    var perChannel = false
    /// BinaryRelax: this share of the quantized weights, the rest of the float ones.
    var relaxationShare: Float = 1
    var precision = Precision.mixed
    /// The first of the seeds that are tried.
    var seed: UInt64 = 21

    /// Maps are levels, and forward convolutions exact.
    var isInteger: Bool { weights < 32 && activations < 32 && relaxationShare == 1 }
    var description: String {
        "\(network) \(weights)W\(activations)A\(inner ? " inner" : "")\(perChannel ? " per channel" : "")"
            + "\(relaxationShare < 1 ? " relaxed" : "")\(precision == .s16 ? " s16" : "")"
    }
}

/// Mixed precision against the f32 layers, its readable reference: the same parameters, the same images.
@Suite struct MixedPrecisionTests {
    private struct Case {
        let reference, mixed: Network
        let images: Tensor
        let batch: Int
    }

    /// - Parameter seed: of weights and images, added to those of `bits`.
    private func networks(_ bits: Bits, batch: Int, threads: Int, side: Int, seed: UInt64 = 0) throws -> Case {
        let input = FeatureShape(height: side, width: side, channels: 3)
        let weights = bits.weights == 32 ? nil : WeightQuantization(try WeightProjection(bits: bits.weights), isPerChannel: bits.perChannel)
        let activation = bits.activations == 32 ? ActivationFunction.relu : .quantized(try QuantizedReLU(bits: bits.activations))
        let float = try NetworkGraph.named(bits.network, input: input, classes: 10), last = float.weightedLayers.count - 1
        let graph = float.quantized(activation: { _ in activation }) { bits.inner && ($1 == 0 || $1 == last) ? nil : weights }
        let both = try [Precision.f32, bits.precision].map { precision in
            let network = try Network(
                graph, precision: precision, relaxesWeights: bits.relaxationShare < 1,
                in: context(batch: batch, threads: precision == .f32 ? 1 : threads))
            network.initialize(seed: bits.seed + seed)
            if !bits.isInteger { settle(network) }
            if bits.perChannel { network.weights.forEach(enlargeChannels) }
            network.tensors.project(threads: threads)
            network.tensors.useProjection(relaxationShare: bits.relaxationShare, threads: threads)
            return network
        }
        let images = input.tensor(batch: batch)
        // 5: few early flips, see `Tolerances`.
        var random = Philox(seed: (bits.network.hasPrefix("imagenet") ? 5 : 22) + seed, stream: 0)
        images.set((0..<images.count).map { _ in Float(random.normal()) })
        return Case(reference: both[0], mixed: both[1], images: images, batch: batch)
    }

    private func enlargeChannels(_ weight: Parameter) {
        let length = weight.value.count / weight.value.shape[0]
        for i in 0..<weight.value.count { weight.value.pointer[i] *= Float(1 + i / length % 3) }
    }

    private static func isConvolutionBias(_ parameter: Parameter) -> Bool {
        (parameter.name.hasPrefix("conv") || parameter.name.hasPrefix("fc1")) && parameter.name.hasSuffix(".bias")
    }

    /// Shifts batch norm's outputs to +3 in every other channel and to −3 in the rest, so that few values lie near 0: a value
    /// that bf16 rounds across 0 takes its whole gradient with it, and a random network without shifts has half a percent of
    /// such values in every layer, which move its gradients by 20 percent. Convolutions' biases, which start at 0, become −2…2.
    private func settle(_ network: Network) {
        for bias in network.parameters where Self.isConvolutionBias(bias) {
            for c in 0..<bias.value.count { bias.value.pointer[c] = Float(c % 5) - 2 }
        }
        for shift in network.parameters where shift.name.contains("bn") && shift.name.hasSuffix(".bias") {
            for c in 0..<shift.value.count { shift.value.pointer[c] = c % 2 == 0 ? 3 : -3 }
        }
    }

    private func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    private func deviation(_ a: [Float], _ b: [Float]) -> Float {
        let scale = b.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        if difference == 0 { return 0 }
        return difference.isNaN ? .infinity : difference / max(scale, .leastNormalMagnitude)
    }

    @Test(
        arguments: [
            Bits(network: "resnet8", weights: 1, activations: 4), Bits(network: "resnet8", weights: 2, activations: 4),
            Bits(network: "resnet8", weights: 4, activations: 4), Bits(network: "vgg11", weights: 1, activations: 4),
            Bits(network: "resnet8", weights: 1, activations: 4, inner: true),
            Bits(network: "resnet8", weights: 1, activations: 4, perChannel: true, seed: 22),
            Bits(network: "resnet8", weights: 4, activations: 4, perChannel: true, seed: 22),
            Bits(network: "resnet8", weights: 4, activations: 32, perChannel: true),
            Bits(network: "resnet8", weights: 1, activations: 8, relaxationShare: 0.6),
            Bits(network: "resnet8", weights: 2, activations: 32, relaxationShare: 0.6),
            Bits(network: "resnet8", weights: 32, activations: 32), Bits(network: "vgg11", weights: 32, activations: 32),
            Bits(network: "resnet8", weights: 32, activations: 8), Bits(network: "resnet8", weights: 32, activations: 4),
            Bits(network: "resnet8", weights: 1, activations: 32), Bits(network: "resnet8", weights: 4, activations: 32, inner: true),
            // Not LeNet-5 at two bits: its maps then all but agree between images, and as fc1 normalises over images alone, f32 flips
            // levels with 39 of 40 seeds.
            Bits(network: "lenet5", weights: 1, activations: 4), Bits(network: "resnet8", weights: 2, activations: 2),
            Bits(network: "lenet5", weights: 32, activations: 32),
            Bits(network: "resnet8", weights: 1, activations: 4, precision: .s16),
            Bits(network: "resnet8", weights: 4, activations: 4, precision: .s16),
            Bits(network: "vgg11", weights: 2, activations: 4, precision: .s16),
            Bits(network: "lenet5", weights: 1, activations: 4, precision: .s16),
            Bits(network: "imagenet-resnet10", weights: 1, activations: 4, precision: .s16),
            Bits(network: "imagenet-resnet10", weights: 1, activations: 4), Bits(network: "imagenet-resnet10", weights: 32, activations: 32)
        ], [1, 2])
    func agreesWithTheReference(_ bits: Bits, threads: Int) throws {
        // One value in 10⁶ lies so near to a level's edge that f32, which rounds in another order on every processor, gives the
        // next level, and all that follows differs: most seeds have such a flip. A fault shows with every seed. The reference has
        // one thread: with two its own sums round in another order, and flip other levels.
        var differences: [String] = []
        for seed in 0..<UInt64(bits.isInteger ? 40 : 1) {
            differences = try self.differences(bits, threads: threads, seed: seed)
            if differences.isEmpty { return }
        }
        Issue.record("\(differences.joined(separator: "; "))")
    }

    /// What lies outside the tolerances, with one seed.
    private func differences(_ bits: Bits, threads: Int, seed: UInt64) throws -> [String] {
        var found: [String] = []
        func expect(_ deviation: Float, below limit: Float, _ what: String) {
            if !(deviation <= limit) { found.append("\(what) by \(deviation), more than \(limit)") }
        }
        let networks = try networks(bits, batch: 4, threads: threads, side: bits.network.hasPrefix("imagenet") ? 64 : 32, seed: seed)
        #expect(networks.reference.parameters.map(\.name) == networks.mixed.parameters.map(\.name))
        #expect(networks.reference.statistics.map(\.name) == networks.mixed.statistics.map(\.name))
        for each in [networks.reference, networks.mixed] {
            _ = try each.forward(networks.images, batch: networks.batch, mode: .calibration)
            // Calibration lets nothing saturate. (VGG stays: its last maps have few pixels, and one level flip on the way
            // changes them by a tenth.)
            for stepSize in each.parameters where bits.network != "vgg11" && stepSize.kind == .stepSize {
                stepSize.value.pointer[0] *= 0.7
            }
        }
        let scores = try [networks.reference, networks.mixed].map {
            try $0.forward(networks.images, batch: networks.batch, mode: .training).values
        }
        let tolerances = Tolerances(bits)
        expect(deviation(scores[1], scores[0]), below: tolerances.scores, "scores")
        let loss = SoftmaxCrossEntropy(classes: 10, in: try context(batch: networks.batch))
        for each in [networks.reference, networks.mixed] {
            let scores = try each.forward(networks.images, batch: networks.batch, mode: .training)
            _ = loss(scores, labels: [1, 4, 7, 9], batch: networks.batch)
            try each.backward(loss.gradient, batch: networks.batch)
        }
        // Batch norm takes a bias out again: its gradient is rounding in one and 0 in the other.
        let (reference, mixed) = (networks.reference.parameters, networks.mixed.parameters)
        for (a, b) in zip(reference, mixed) where a.kind != .stepSize && !Self.isConvolutionBias(a) {
            expect(deviation(b.gradient.values, a.gradient.values), below: tolerances.gradients, "the gradient of \(a.name)")
            // Rounding and flips point anywhere: they leave the part along the reference, which a factor would not.
            let along = dot(a.gradient.values, b.gradient.values) / dot(a.gradient.values, a.gradient.values)
            expect(abs(along - 1), below: 0.2, "the gradient of \(a.name) along the reference's")
        }
        // A gradient in α is one number, a sum that may cancel: so all together.
        let stepSizes = [mixed, reference].map { $0.filter { $0.kind == .stepSize }.flatMap(\.gradient.values) }
        #expect(stepSizes[0].count == stepSizes[1].count)
        expect(deviation(stepSizes[0], stepSizes[1]), below: tolerances.stepSizes, "gradients in α")
        for (a, b) in zip(networks.reference.statistics, networks.mixed.statistics) {
            expect(deviation(b.tensor.values, a.tensor.values), below: tolerances.statistics, a.name)
        }
        let evaluated = try [networks.reference, networks.mixed].map {
            try $0.forward(networks.images, batch: networks.batch, mode: .evaluation).values
        }
        expect(deviation(evaluated[1], evaluated[0]), below: 2 * tolerances.scores, "scores in evaluation")
        return found
    }

    /// How far mixed precision may stray in the mean-square sense. One rounding to bf16 errs by 2⁻⁸ at most, and the errors
    /// of a chain of layers add up like a random walk. In brackets what was seen.
    private struct Tolerances {
        let scores, gradients, stepSizes, statistics: Float

        init(_ bits: Bits) {
            switch (bits.network, bits.isInteger, bits.activations) {
            // Exact forward, but for a level that flips where z/α lies within rounding of an integer, one value in 10⁶.
            // (Random ResNets of twenty layers are too chaotic for this test: one early flip moves their scores by a percent.)
            case (let network, true, _) where network != "imagenet-resnet10":
                (scores, gradients, stepSizes, statistics) = (2e-3, 0.05, 0.05, 1e-3)  // [4e-4, 0.03, 0.003, 7e-7]
            // With a quarter of a million values in the first map one flip there is certain, and each makes ten in the next
            // layer: scores err by 0.01 to 0.1 over eight seeds of the images, gradients by 0.04 to 0.8.
            // Found: 0.01, 0.04, – and 0.0013.
            case ("imagenet-resnet10", true, _): (scores, gradients, stepSizes, statistics) = (0.03, 0.15, 0.1, 0.005)
            // Rounding flips one level of four bits in a hundred.
            case (_, _, 4): (scores, gradients, stepSizes, statistics) = (0.03, 0.7, 0.05, 0.03)  // [0.006, 0.46, 0.01, 0.007]
            // And it makes values saturate or not.
            case (_, _, 8): (scores, gradients, stepSizes, statistics) = (2e-3, 0.3, 0.05, 0.02)  // [6e-4, 0.18, 0.005, 0.007]
            // It makes one maximum in a hundred go to another pixel, which takes its whole gradient with it.
            // LeNet-5's fc1 normalises over these four images alone: over twelve seeds scores err by 0.008 to 0.02, with AVX2
            // as with AVX-512, and gradients by at most 0.51.
            case ("lenet5", _, _): (scores, gradients, stepSizes, statistics) = (0.03, 0.7, 0, 0.02)  // [0.02, 0.51, –, 0.002]
            case ("vgg11", _, _), ("imagenet-resnet10", _, _):
                (scores, gradients, stepSizes, statistics) = (0.01, 0.5, 0, 0.02)  // [0.004, 0.39, –, 0.002]
            default: (scores, gradients, stepSizes, statistics) = (2e-3, 0.15, 0, 0.02)  // [4e-4, 0.09, –, 0.007]
            }
        }
    }
}
