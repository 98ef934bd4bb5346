// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import TestSupport
import Testing
import Training
import TrainingTestSupport

@Suite struct PrecisionComparisonTests {
    /// Two mini-batches, worked out by hand from the definitions.
    @Test func aShrunkenGradientHasASlopeAndDrifts() throws {
        // g = (3, 4), (4, −3); d = −0.1·g: Σ‖g‖² = 50, ‖Σg‖² = 50, so noise = √((50 − 25)/50·2/1) = 1.
        let row = PrecisionComparison.row("w", [[3, 4], [4, -3]], [[2.7, 3.6], [3.6, -2.7]])
        let tolerance = 1e-6  // f32 values near 3 err by 2⁻²³
        #expect(abs(row.error - 0.1) < tolerance && abs(row.slope + 0.1) < tolerance && abs(row.noise - 1) < tolerance)
        // ‖Σd‖² = 0.01·50, Σ‖d‖² = 0.01·50.
        #expect(abs(row.drift - 1) < tolerance)
        #expect(row.slopeInterval == nil)  // both mini-batches have the same
        // d = −0.1·g and −0.2·g: Student's t(0.975; 1) = 12.7062 times 0.0707107/√2 to either side of −0.15.
        let other = PrecisionComparison.row("w", [[3, 4], [4, -3]], [[2.7, 3.6], [3.2, -2.4]]), interval = try #require(other.slopeInterval)
        #expect(abs(other.slope + 0.15) < tolerance && abs(interval.low + 0.785310) < 1e-5 && abs(interval.high - 0.485310) < 1e-5)
    }

    @Test func theSameErrorEachTimeDriftsByTheRootOfTheBatches() {
        let row = PrecisionComparison.row("w", Array(repeating: [1, 0], count: 4), Array(repeating: [1, 0.5], count: 4))
        #expect(abs(row.drift - 2) < 1e-12 && abs(row.error - 0.5) < 1e-12 && row.noise == 0 && row.slope == 0 && row.slopeInterval == nil)
    }

    @Test func aGradientOfZeroIsNoDivision() {
        let row = PrecisionComparison.row("w", [[0], [0]], [[0], [0]])
        #expect(row.error == 0 && row.noise == 0 && row.slope == 0 && row.drift == 0)
    }

    /// A float run's checkpoint, taken through both precisions.
    @Test func comparesAtACheckpoint() throws {
        let folder = try TemporaryFolder()
        let (path, data) = ("\(folder.path)/float.safetensors", syntheticDataset())
        let run = RunDescription(
            name: "float", dataset: "synthetic", recipe: try recipe(["epochs": "1", "milestones": "[]"]), seed: 3, warmStart: nil)
        var observer = SilentObserver()
        let trainer = try Trainer(run, dataset: data, threads: 1)
        try trainer.train(checkpoint: path, observer: &observer)
        let comparison = try PrecisionComparison(try Checkpoint(path: path), dataset: data, batches: 2, threads: 1)
        #expect(comparison.rows.map(\.parameter) == trainer.network.parameters.map(\.name))
        // bf16 rounds by up to 2⁻⁸; f32 compared with f32, or a pass left out, would be 0 or near 1.
        let scores = try #require(comparison.rows.first { $0.parameter == "fc.weight" })
        #expect(scores.error > 1e-4 && scores.error < 0.1)
        let large = RunDescription(
            name: "large", dataset: "synthetic", recipe: try recipe(["epochs": "1", "milestones": "[]", "batch_size": "150"]), seed: 3,
            warmStart: nil)
        try Trainer(large, dataset: data, threads: 1).train(checkpoint: path + ".large", observer: &observer)
        #expect {
            try PrecisionComparison(try Checkpoint(path: path + ".large"), dataset: data, batches: 2, threads: 1)
        } throws: { "\($0)".contains("have one mini-batch of 150 images: an interval needs two") }
        #expect(throws: CheckpointError.self) {
            try PrecisionComparison(try Checkpoint(path: path), dataset: syntheticDataset(name: "other"), batches: 2, threads: 1)
        }
    }
}
