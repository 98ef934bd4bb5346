// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import Graph
import Quantization
import Testing
import Training
import TrainingTestSupport

/// What the keys of the recipe `authors-code` do (METHOD.md part 2).
@Suite(.serialized) struct AuthorsCodeTests {
    private func network(_ recipe: Recipe) throws -> (Network, CoarseGradientDescent) {
        let context = ExecutionContext(engine: try Engine(threads: 1), batch: 2)
        let network = try Network(
            try recipe.graph(input: .init(height: 8, width: 8, channels: 3), classes: 4), in: context)
        network.initialize(seed: 3)
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: 1)
        descent.project()
        return (network, descent)
    }

    /// α ← clamp(α − η·m, min, max), m ← momentum·m + clamp(factor·g, ±limit) + decay·α, in Double by hand.
    /// Values are below 10 and three steps round a few times in f32: 1e-5 is far above that and far below every effect
    /// (a limit left out: η·0.5; a decay left out: η·0.1·α; a factor left out: 100 times).
    @Test func stepSizesFollowTheirFormula() throws {
        let changes = quantizedChanges.merging([
            "resolution_gradient_factor": "0.01", "resolution_gradient_limit": "1", "resolution_decay": "0.1", "resolution_maximum": "5",
            "resolution_minimum": "0.5", "resolution_rate_factor": "1"
        ]) { $1 }
        let (network, descent) = try network(try recipe(changes))
        let stepSize = try #require(network.parameters.first { $0.kind == .stepSize })
        for (start, gradients) in [(2.0, [150.0, 20, -30]), (4.9, [-300, -150, -150]), (0.6, [100, 90, 300]), (3, [-5, 10, -15])] {
            stepSize.value.fill(Float(start))
            stepSize.momentum.fill(0)
            var (alpha, momentum) = (start, 0.0)
            for gradient in gradients {
                stepSize.gradient.fill(Float(gradient))
                descent.step(learningRate: 0.3)
                momentum = 0.9 * momentum + min(max(0.01 * gradient, -1), 1) + 0.1 * alpha
                alpha = min(max(alpha - 0.3 * momentum, 0.5), 5)
                #expect(abs(Double(stepSize.value.pointer[0]) - alpha) < 1e-5)
            }
        }
        stepSize.value.fill(9)
        descent.limitStepSizes()
        #expect(stepSize.value.pointer[0] == 5)
    }

    @Test func convolutionsAreQuantizedAndTheClassifierIsNot() throws {
        let (network, _) = try network(try recipe(quantizedChanges.merging(["quantized_layers": "convolutions"]) { $1 }))
        #expect(network.weights.map { $0.quantized != nil } == network.weights.map { $0.name != "fc.weight" })
        #expect(network.weights.count == 8 && network.weights.first?.quantized != nil)
    }

    /// At 2 bits the rule of the authors' code, at 4 bits one half-iteration of Lloyd, both as their references have them.
    @Test(arguments: ["2", "4"]) func projections(_ bits: String) throws {
        let changes = quantizedChanges.merging(["weight_bits": bits, "ternary": "authors", "lloyd_iterations": "1"]) { $1 }
        let weight = try #require(try network(try recipe(changes)).0.weights.first)
        let w = weight.value.values
        let (scale, integerWeights) =
            bits == "2"
            ? AuthorsTernaryProjection().project(w)
            : try WeightProjection(bits: 4, maximumIterations: 1).project(w)
        let quantized = try #require(weight.quantized).values
        let same = quantized == integerWeights.map { scale * Float($0) }
        #expect(same)
        let exact = try WeightProjection(bits: bits == "2" ? 2 : 4).project(w)
        #expect(exact.scale != scale)
    }

    /// After an epoch the evaluation sees the projection from before the last step; with `current`, that of the weights.
    @Test(arguments: ["lagged", "current"]) func evaluationLagsByOneStep(_ evaluation: String) throws {
        let recipe = try recipe(quantizedChanges.merging(["evaluation": evaluation, "weight_bits": "4", "rate": "0.1"]) { $1 })
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: nil)
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        var observer = SilentObserver()
        let projection = try WeightProjection(bits: 4)
        func project() -> [[Float]] {
            trainer.network.weights.map { weight in
                let (scale, integerWeights) = projection.project(weight.value.values)
                return integerWeights.map { scale * Float($0) }
            }
        }
        try trainer.train(checkpoint: nil, stepLimit: 4, observer: &observer)
        let before = project()
        try trainer.train(checkpoint: nil, stepLimit: 1, observer: &observer)
        let after = project()
        let moved = before != after
        #expect(moved && trainer.state.epoch == 1)
        let seen = trainer.network.weights.compactMap { $0.quantized?.values } == (evaluation == "lagged" ? before : after)
        #expect(seen)
        let hits = try trainer.evaluate().total
        #expect(hits.top1 == trainer.state.curve.last?.testHits)
    }
}
