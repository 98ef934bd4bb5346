// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Foundation
import Quantization
import Testing
import Training
import TrainingTestSupport

/// BinaryRelax (METHOD.md part 1): the passes use (λ·proj_Q(w_f) + w_f)/(1 + λ) with growing λ, then w_q itself.
@Suite(.serialized) struct BinaryRelaxTests {
    private static let changes = ["method": "binary-relax", "weight_bits": "1", "activation_bits": "4"]

    /// 200 epochs: 150 relaxed ones, λ growing by 380^(1/150) = 1.0404 each, the 1.02 twice an epoch of the authors' code.
    @Test func schedule() throws {
        let recipe = try recipe(Self.changes.merging(["epochs": "200"]) { $1 })
        for epoch in 0..<150 {
            let expected = pow(1.02, 2 * Double(epoch + 1))
            // 1.02^300 = 380.23, not 380: a relative 6e-4 in the last epoch.
            #expect(abs(Double(try #require(recipe.relaxation(epoch: epoch))) / expected - 1) < 1e-3)
        }
        #expect((150..<200).allSatisfy { recipe.relaxation(epoch: $0) == nil })
        #expect(recipe.relaxation(epoch: 149).map { abs($0 - 380) < 1e-3 } == true)
        // Shrunk schedules keep its shape: three quarters, rounded down, and at least one exact epoch.
        func relaxed(_ changes: [String: String]) throws -> Int {
            let other = try self.recipe(changes)
            return (0..<other.epochs).count { other.relaxation(epoch: $0) != nil }
        }
        for (epochs, expected) in [("30", 22), ("10", 7), ("2", 1)] {
            #expect(try relaxed(Self.changes.merging(["epochs": epochs, "milestones": "[]"]) { $1 }) == expected)
        }
        #expect(try relaxed(Self.changes.merging(["method": "bc"]) { $1 }) == 0)
        #expect(recipe.effectiveBlending == 0)
    }

    private func recipe(_ changes: [String: String]) throws -> Recipe { try TrainingTests.recipe(changes) }

    /// 5 steps an epoch; of 4 epochs 3 are relaxed. After any step the passes' weights are the formula's, and an evaluation
    /// sees the quantized ones.
    @Test(arguments: [("1", "per-layer"), ("4", "per-layer"), ("2", "per-channel")], [3, 5, 13, 15, 18])
    func passesUseTheRelaxedWeights(_ weights: (bits: String, scaling: String), steps: Int) throws {
        let recipe = try recipe(Self.changes.merging(["weight_bits": weights.bits, "scaling": weights.scaling]) { $1 })
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: nil)
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        var observer = SilentObserver()
        try trainer.train(checkpoint: nil, stepLimit: steps, observer: &observer)
        // Within an epoch its λ; after its last step the evaluation went back to that epoch's, or the next one's.
        let epochs = steps % 5 == 0 ? [steps / 5 - 1, steps / 5] : [steps / 5]
        let projection = try WeightProjection(bits: try #require(Int(weights.bits)))
        for weight in trainer.network.weights {
            let w = weight.value.values
            let slices = weights.scaling == "per-channel" ? weight.value.shape[0] : 1
            let (scales, integerWeights) = projection.referenceProject(w.map(Double.init), slices: slices)
            let used = try #require(weight.quantized).values
            let expected = epochs.map { epoch in
                w.indices.map { i in
                    let quantized = scales[i * slices / w.count] * Double(integerWeights[i])
                    guard let relaxation = recipe.relaxation(epoch: epoch).map(Double.init) else { return quantized }
                    return (relaxation * quantized + Double(w[i])) / (1 + relaxation)
                }
            }
            // Weights are below 2, so f32 rounds a few times by at most 1.2e-7; quantized and relaxed ones differ by 1e-3 and more.
            let distances = expected.map { zip(used, $0).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) } }
            #expect(distances.contains { $0 < 1e-6 }, "\(weight.name): \(distances)")
        }
    }

    /// The relaxed phase ends in the epoch that the recipe says, and evaluations never see relaxed weights.
    @Test func evaluationsSeeQuantizedWeights() throws {
        let recipe = try recipe(Self.changes)
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: nil)
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        var observer = SilentObserver()
        try trainer.train(checkpoint: nil, stepLimit: 5, observer: &observer)
        let hits = try #require(trainer.state.curve.last).testHits
        let loss = try #require(trainer.state.curve.last).testLoss
        // By hand: the same evaluation with every weight tensor quantized; and the relaxed ones give another loss.
        let descent = CoarseGradientDescent(trainer.network, recipe: recipe, threads: 1)
        descent.useQuantizedWeights()
        for weight in trainer.network.weights {
            let (scale, integerWeights) = try WeightProjection(bits: 1).project(weight.value.values)
            let same = weight.quantized?.values == integerWeights.map { scale * Float($0) }
            #expect(same)
        }
        let total = try trainer.evaluate().total
        #expect(total.top1 == hits && total.lossSum / Double(total.count) == loss)
    }
}
