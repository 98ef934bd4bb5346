// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Same seed, same machine, same thread count: same bits, interrupted or not.
@Suite(.serialized) struct ResumeTests {
    private func float(threads: Int, _ folder: TemporaryFolder) throws -> (RunDescription, String) {
        let run = RunDescription(
            name: "float", dataset: "synthetic", recipe: try recipe(["epochs": "1", "milestones": "[]"]), seed: 3, warmStart: nil)
        let path = "\(folder.path)/float.safetensors"
        var observer = SilentObserver()
        try Trainer(run, dataset: syntheticDataset(), threads: threads).train(checkpoint: path, observer: &observer)
        return (run, path)
    }

    /// 5 steps an epoch (the last one smaller) and 4 epochs; the run is cut at steps within, at the end of, and after epochs.
    /// In mixed precision maps are levels with activations of 4 bits, bf16 with 32.
    @Test(
        arguments: [(1, Precision.f32, 4), (2, .f32, 4), (1, .mixed, 4), (2, .mixed, 4), (1, .mixed, 32), (2, .mixed, 32), (2, .s16, 4)],
        [1, 5, 7, 14])
    func interruptedRunEqualsUnbroken(_ machine: (threads: Int, precision: Precision, activationBits: Int), cut: Int) throws {
        let threads = machine.threads
        let folder = try TemporaryFolder()
        let (float, floatPath) = try float(threads: threads, folder)
        let changes = quantizedChanges.merging(["activation_bits": "\(machine.activationBits)"]) { $1 }
        let run = RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(changes), seed: 3, warmStart: float, precision: machine.precision)
        var observer = SilentObserver()
        func fresh() throws -> Trainer {
            let trainer = try Trainer(run, dataset: syntheticDataset(), threads: threads)
            try trainer.warmStart(from: Checkpoint(path: floatPath), of: float)
            return trainer
        }
        let unbroken = try fresh()
        try unbroken.train(checkpoint: nil, observer: &observer)
        let path = "\(folder.path)/run.safetensors"
        try fresh().train(checkpoint: path, stepLimit: cut, observer: &observer)
        let resumed = try Trainer(run, dataset: syntheticDataset(), threads: threads)
        try resumed.restore(Checkpoint(path: path))
        #expect(resumed.state.epoch * 5 + resumed.state.batch == cut)
        try resumed.train(checkpoint: path, observer: &observer)
        // Compared outside the macro, which would print an edit script of 10⁵ numbers.
        let same = bits(resumed) == bits(unbroken)
        #expect(same)
        #expect(unbroken.isFinished && unbroken.state.curve.count == 4)
    }

    @Test func anotherSeedGivesAnotherRun() throws {
        var observer = SilentObserver()
        let trainers = try [UInt64(3), 4].map { seed in
            let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(), seed: seed, warmStart: nil)
            return try Trainer(run, dataset: syntheticDataset(), threads: 1)
        }
        for trainer in trainers { try trainer.train(checkpoint: nil, stepLimit: 2, observer: &observer) }
        let same = bits(trainers[0]) == bits(trainers[1])
        #expect(!same)
    }

    @Test func aStopRequestEndsWithACheckpoint() throws {
        struct StopAfterThree: TrainingObserver {
            let stop: StopRequest
            var steps = 0
            mutating func stepped(_ state: TrainingState) {
                steps += 1
                if steps == 3 { stop.make() }
            }
            mutating func finishedEpoch(_ state: TrainingState) throws {}
        }
        let folder = try TemporaryFolder()
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(), seed: 3, warmStart: nil)
        let stop = StopRequest()
        var observer = StopAfterThree(stop: stop)
        let path = "\(folder.path)/run.safetensors"
        try Trainer(run, dataset: syntheticDataset(), threads: 1).train(checkpoint: path, stop: stop, observer: &observer)
        #expect(try Checkpoint(path: path).state.batch == 3)
    }
}
