// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Parallelism
import Quantization
import Statistics
import Testing
import Training

/// The update in one pass against its definition, for layers that multiply by `w_q` (f32) and by integer weights alone (mixed).
@Suite struct CoarseGradientDescentTests {
    private static let rate = 0.05

    /// Three steps with random gradients on the last 3×3 weights of resnet8, 64×64×3×3: several blocks, so threads share them.
    private func run(bits: Int, precision: Precision, threads: Int) throws -> (fast: Parameter, reference: CoarseGradientDescentReference) {
        let changes = ["method": "bcgd", "weight_bits": "\(bits)", "activation_bits": "4"]
        let recipe = try recipe(changes)
        let context = ExecutionContext(engine: try Engine(threads: threads), batch: 2)
        let network = try Network(
            try recipe.graph(input: .init(height: 8, width: 8, channels: 3), classes: 4), precision: precision, in: context)
        network.initialize(seed: 3)
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        let weight = try #require(network.weights.dropLast().last)
        var reference = CoarseGradientDescentReference(
            weights: weight.value.values.map(Double.init), momentum: weight.momentum.values.map(Double.init),
            projection: try WeightProjection(bits: bits))
        var random = Philox(seed: 5, stream: 0)
        for _ in 0..<3 {
            let gradient = (0..<weight.value.count).map { _ in Float(0.1 * random.normal()) }
            weight.gradient.set(gradient)
            descent.step(learningRate: Self.rate)
            reference.step(
                gradient: gradient.map(Double.init), blending: Double(recipe.blending), momentum: Double(recipe.momentum),
                decay: Double(recipe.weightDecay), learningRate: Self.rate)
        }
        return (weight, reference)
    }

    @Test(arguments: [1, 2, 4], Precision.allCases)
    func equalsDefinition(bits: Int, precision: Precision) throws {
        for set in InstructionSet.available {
            let (fast, reference) = try set.limit { try run(bits: bits, precision: precision, threads: 2) }
            // Weights are below 0.5 and take three steps of a few f32 roundings of 3e-8 at most. A blend
            // left out moves them by up to 1e-2 · 0.05 a step, a decay left out by 1e-4 · 0.05 · 0.05 = 2.5e-7 or more, so 1e-7.
            let most = zip(fast.value.values, reference.weights).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
            #expect(most < 1e-7)
            #expect(abs(Double(fast.scales[0]) - reference.scale) < 1e-7)
            let integerWeights = try #require(fast.integerWeights)
            // None of these weights lies within 1e-7 of a boundary between integer weights (seeds 3 and 5).
            #expect(reference.integerWeights.indices.count { Int(integerWeights[$0]) != reference.integerWeights[$0] } == 0)
            if let quantized = fast.quantized {
                #expect((0..<quantized.count).allSatisfy { quantized.pointer[$0] == fast.scales[0] * Float(integerWeights[$0]) })
            }
        }
    }

    @Test(arguments: [1, 2, 4], Precision.allCases)
    func noResultDependsOnThreads(bits: Int, precision: Precision) throws {
        let (one, two) = try (
            run(bits: bits, precision: precision, threads: 1).fast, run(bits: bits, precision: precision, threads: 2).fast
        )
        let same = one.value.values == two.value.values && one.momentum.values == two.momentum.values
        #expect(same && one.scales[0] == two.scales[0])
    }

    /// One scale an output channel: every channel is the update of a tensor of its own.
    @Test(arguments: [1, 2, 4], [1, 2]) func perChannelEqualsDefinitionSliceBySlice(bits: Int, threads: Int) throws {
        let recipe = try recipe(["method": "bcgd", "weight_bits": "\(bits)", "activation_bits": "4", "scaling": "per-channel"])
        let context = ExecutionContext(engine: try Engine(threads: threads), batch: 2)
        let network = try Network(
            try recipe.graph(input: .init(height: 8, width: 8, channels: 3), classes: 4), in: context)
        network.initialize(seed: 3)
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        // 64×64×3×3, and the classifier's 4×64.
        for weight in network.weights.suffix(2) {
            let (outputs, length) = (weight.value.shape[0], weight.value.count / weight.value.shape[0])
            func slice(_ tensor: [Float], _ o: Int) -> [Double] { tensor[o * length..<(o + 1) * length].map(Double.init) }
            let (w, momentum) = (weight.value.values, weight.momentum.values)
            var references = try (0..<outputs).map { o in
                CoarseGradientDescentReference(
                    weights: slice(w, o), momentum: slice(momentum, o), projection: try WeightProjection(bits: bits))
            }
            var random = Philox(seed: 5, stream: 0)
            for _ in 0..<3 {
                let gradient = (0..<weight.value.count).map { _ in Float(0.1 * random.normal()) }
                weight.gradient.set(gradient)
                descent.step(learningRate: Self.rate)
                for o in 0..<outputs {
                    references[o].step(
                        gradient: slice(gradient, o), blending: Double(recipe.blending), momentum: Double(recipe.momentum),
                        decay: Double(recipe.weightDecay), learningRate: Self.rate)
                }
            }
            let (values, integerWeights) = (weight.value.values, try #require(weight.integerWeights))
            let quantized = try #require(weight.quantized).values
            #expect(weight.slices == outputs)
            for o in 0..<outputs {
                // As in `equalsDefinition`, but the classifier's weights reach 0.7, whose roundings are 6e-8.
                let most = zip(slice(values, o), references[o].weights).reduce(0.0) { max($0, abs($1.0 - $1.1)) }
                #expect(most < 2e-7)
                #expect(abs(Double(weight.scales[o]) - references[o].scale) < 1e-7)
                #expect((0..<length).count { Int(integerWeights[o * length + $0]) != references[o].integerWeights[$0] } == 0)
                #expect((0..<length).allSatisfy { quantized[o * length + $0] == weight.scales[o] * Float(integerWeights[o * length + $0]) })
            }
            #expect(Set((0..<outputs).map { weight.scales[$0] }).count == outputs)
        }
    }
}
