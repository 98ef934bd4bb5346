// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Datasets
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Which test images a finished run gets right, image by image.
@Suite struct FinalCorrectTests {
    /// Against the arg-max of the network's own scores, each batch's images in the split's order (60 images, batches of 32).
    @Test func itIsTheArgMaxInTheSplitsOrderAndSurvivesTheCheckpoint() throws {
        let folder = try TemporaryFolder()
        let (path, data) = ("\(folder.path)/float.safetensors", syntheticDataset())
        let run = RunDescription(
            name: "float", dataset: "synthetic", recipe: try recipe(["epochs": "2", "milestones": "[]"]), seed: 3, warmStart: nil)
        var observer = SilentObserver()
        let trainer = try Trainer(run, dataset: data, threads: 1)
        #expect(throws: CheckpointError.self) { try trainer.finalCorrect() }
        try trainer.train(checkpoint: path, observer: &observer)
        let correct = try trainer.finalCorrect()

        let loader = BatchLoader(split: data.test, batchSize: 32, seed: 3, shuffled: false)
        let images = Tensor([32, 8, 8, 3])
        var expected: [Bool] = []
        loader.start(epoch: 0)
        while let batch = try loader.next() {
            images.pointer.update(from: batch.images, count: batch.count * 192)
            let scores = try trainer.network.forward(images, batch: batch.count, mode: .evaluation)
            for n in 0..<batch.count {
                let z = (0..<4).map { scores.pointer[4 * n + $0] }
                expected.append(z.firstIndex(of: z.max() ?? 0) == Int(data.test.labels[expected.count]))
            }
        }
        #expect(correct == expected && correct.count == 60)
        #expect(correct.count { $0 } == trainer.state.curve.last?.testHits)
        // 60 equal entries would hide a wrong order.
        #expect(Set(correct).count == 2)

        let checkpoint = try Checkpoint(path: path)
        #expect(try checkpoint.description() == run)
        let again = try Trainer(try checkpoint.description(), dataset: data, threads: 1)
        try again.restore(checkpoint)
        #expect(try again.finalCorrect() == correct)

        // Other images under the same name: their checksum tells.
        let other = try Trainer(run, dataset: syntheticDataset(test: 59), threads: 1)
        #expect(throws: CheckpointError.self) { try other.restore(checkpoint) }
    }
}
