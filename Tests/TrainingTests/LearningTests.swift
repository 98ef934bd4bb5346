// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// The whole path learns: float, then each bit width and method from the float run.
@Suite(.serialized) struct LearningTests {
    /// Guessing gets 25 % of 60; 45 of 60 by luck has probability below 1e-15 (binomial tail). Seed 5.
    @Test(arguments: [("1", "4"), ("2", "4"), ("4", "4"), ("32", "2"), ("1", "32"), ("3", "1"), ("8", "8"), ("2", "3"), ("32", "1")])
    func quantizedTrainingLearns(_ weightBits: String, _ activationBits: String) throws {
        try expectLearning(["weight_bits": weightBits, "activation_bits": activationBits])
    }

    @Test(arguments: [
        ["method": "bc"], ["method": "binary-relax"], ["method": "binary-relax", "weight_bits": "4"], ["scaling": "per-channel"],
        ["scaling": "per-channel", "weight_bits": "2"], ["scaling": "per-channel", "method": "binary-relax", "weight_bits": "3"],
        ["quantized_layers": "inner"], ["quantized_layers": "convolutions", "ternary": "authors", "weight_bits": "2"]
    ])
    func methodsAndVariantsLearn(_ changes: [String: String]) throws {
        for precision in Precision.allCases { try expectLearning(changes, precision) }
    }

    private func expectLearning(_ changes: [String: String], _ precision: Precision = .f32) throws {
        let folder = try TemporaryFolder()
        let data = syntheticDataset()
        let float = RunDescription(name: "float", dataset: "synthetic", recipe: try recipe(), seed: 5, warmStart: nil)
        var observer = SilentObserver()
        let path = "\(folder.path)/float.safetensors"
        try Trainer(float, dataset: data, threads: 1).train(checkpoint: path, observer: &observer)
        let defaults = ["method": "bcgd", "weight_bits": "1", "activation_bits": "4", "rate": "0.01", "epochs": "6"]
        let run = RunDescription(
            name: "q", dataset: "synthetic", recipe: try recipe(defaults.merging(changes) { $1 }), seed: 5, warmStart: float,
            precision: precision)
        let trainer = try Trainer(run, dataset: data, threads: 1)
        try trainer.warmStart(from: Checkpoint(path: path), of: float)
        try trainer.train(checkpoint: nil, observer: &observer)
        #expect((trainer.state.curve.last?.testHits ?? 0) >= 45)
    }

    @Test func divergenceIsAnError() throws {
        let run = RunDescription(name: "float", dataset: "synthetic", recipe: try recipe(["rate": "1.0e+30"]), seed: 5, warmStart: nil)
        var observer = SilentObserver()
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        #expect(throws: DivergenceError.self) { try trainer.train(checkpoint: nil, observer: &observer) }
    }

    /// The integer levels of mixed precision hide the NaN of the first layer from the loss; the parameters tell.
    @Test(arguments: Precision.allCases) func divergenceBehindIntegersIsAnError(_ precision: Precision) throws {
        let run = RunDescription(
            name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 5, warmStart: nil, precision: precision)
        var observer = SilentObserver()
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        for parameter in trainer.network.parameters where parameter.kind == .stepSize { parameter.value.fill(1) }
        trainer.network.parameters[0].value.fill(.nan)
        let error = #expect(throws: DivergenceError.self) { try trainer.train(checkpoint: nil, observer: &observer) }
        let words = precision == .f32 ? "the loss is not finite in epoch 1, batch 1" : "conv1.weight is not finite in epoch 1"
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        #expect(trainer.state.epoch == 0 && trainer.state.curve.isEmpty)
    }

    /// A network of other classes is not evaluated; one that has diverged within an epoch is not even saved.
    @Test func networksWithoutAccuracyAreRefused() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/run.safetensors"
        let run = RunDescription(
            name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 5, warmStart: nil, precision: .mixed)
        func trainer() throws -> Trainer {
            let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
            for parameter in trainer.network.parameters where parameter.kind == .stepSize { parameter.value.fill(1) }
            return trainer
        }
        var observer = SilentObserver()
        let diverged = try trainer()
        diverged.network.parameters[0].value.fill(.nan)
        let divergence = #expect(throws: DivergenceError.self) { try diverged.train(checkpoint: path, stepLimit: 1, observer: &observer) }
        #expect(divergence?.description.contains("conv1.weight is not finite in epoch 1") == true)
        #expect(!FileManager.default.fileExists(atPath: path))

        let whole = try trainer()
        try whole.train(checkpoint: path, stepLimit: 1, observer: &observer)
        let context = ExecutionContext(engine: try Engine(threads: 1), batch: 1)
        let error = #expect(throws: CheckpointError.self) {
            _ = try Checkpoint(path: path).evaluationNetwork(input: whole.network.input, classes: 7, precision: .f32, in: context)
        }
        #expect(error?.description.contains("classes, but 7 are given") == true, "\(String(describing: error))")
    }
}
