// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Foundation
import Graph
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// A checkpoint that is damaged, of another version, or another run's, is refused in one line that says so.
@Suite struct CheckpointTests {
    private func saved(_ folder: TemporaryFolder, changes: [String: String] = [:]) throws -> (Trainer, String) {
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(changes), seed: 3, warmStart: nil)
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        let path = "\(folder.path)/run.safetensors"
        try trainer.save(to: path)
        return (trainer, path)
    }

    private func expectRefusal(_ words: String, _ body: () throws -> Void) {
        let error = #expect(throws: (any Error).self) { try body() }
        let line = error.map { "\($0)" } ?? ""
        #expect(line.contains(words) && !line.contains("\n"), "\(line)")
    }

    /// The words of the training state and of the run in a checkpoint, as programs before this one wrote them (commit 891c822): what was
    /// written stays readable, and is written so again.
    @Test func theWordsOfEarlierCheckpointsStay() throws {
        let record =
            #"{"epoch":1,"rate":0.1,"seconds":37.5,"testCount":10000,"testHits":4302,"testLoss":1.5,"testTop5Hits":9105,"#
            + #""trainLoss":1.75,"trainTop1":33.5}"#
        let text = #"{"batch":25,"curve":[\#(record)],"epoch":1,"hits":2930,"images":3200,"lossSum":440.5,"seconds":40,"threads":2}"#
        let state = try JSONDecoder().decode(TrainingState.self, from: Data(text.utf8))
        #expect(state.curve.map(\.learningRate) == [0.1] && state.curve.map(\.testHits) == [4302] && state.batch == 25)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(state), as: UTF8.self) == text)
        let folder = try TemporaryFolder()
        let file = try SafetensorsFile(path: try saved(folder, changes: ["method": "bcgd", "weight_bits": "1", "activation_bits": "4"]).1)
        let words = try #require(file.metadata["run"])
        for key in ["rate", "rate_divisor", "resolution_derivative", "resolution_minimum", "resolution_rate_factor"] {
            #expect(words.contains("\"\(key)\":"))
        }
        #expect(file.tensors.keys.contains { $0.hasSuffix(".resolution") })
    }

    @Test func aFlippedBitIsFound() throws {
        let folder = try TemporaryFolder()
        let (_, path) = try saved(folder)
        var bytes = try #require(FileManager.default.contents(atPath: path))
        bytes[bytes.count - 1000] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        expectRefusal("is damaged") { _ = try Checkpoint(path: path) }
    }

    @Test func aTruncatedFileIsFound() throws {
        let folder = try TemporaryFolder()
        let (_, path) = try saved(folder)
        let bytes = try #require(FileManager.default.contents(atPath: path))
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: path))
        expectRefusal(path) { _ = try Checkpoint(path: path) }
    }

    @Test func anotherVersionIsNamed() throws {
        let folder = try TemporaryFolder()
        let (_, path) = try saved(folder)
        var file = try SafetensorsFile(path: path)
        file.metadata["version"] = "2"
        try file.write(to: path)
        expectRefusal("version 2") { _ = try Checkpoint(path: path) }
    }

    @Test func aForeignFileIsNamed() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/x.safetensors"
        try SafetensorsFile(metadata: [:], tensors: ["x": StoredTensor(shape: [1], [Float(1)])]).write(to: path)
        expectRefusal("no checkpoint of ours") { _ = try Checkpoint(path: path) }
    }

    @Test func anotherRecipeIsNamedWithItsDifference() throws {
        let folder = try TemporaryFolder()
        let (_, path) = try saved(folder, changes: ["rate": "0.1"])
        let (trainer, _) = try saved(try TemporaryFolder())
        expectRefusal("rate: 0.1, not 0.05") { try trainer.restore(Checkpoint(path: path)) }
    }

    @Test func anUnfinishedFloatRunIsNoWarmStart() throws {
        let folder = try TemporaryFolder()
        let (float, path) = try saved(folder)
        let run = RunDescription(name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 3, warmStart: float.run)
        let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        expectRefusal("not the finished run") { try trainer.warmStart(from: Checkpoint(path: path), of: float.run) }
    }

    /// Writes the checkpoint anew with some tensors or metadata changed, and a checksum that fits.
    private func changed(_ path: String, _ change: (inout SafetensorsFile) throws -> Void) throws -> Checkpoint {
        var file = try SafetensorsFile(path: path)
        try change(&file)
        file.metadata["checksum"] = Checkpoint.checksum(file)
        try file.write(to: path)
        return try Checkpoint(path: path)
    }

    /// Numbers that no training leaves behind are refused wherever a checkpoint enters: going on, evaluation, warm start.
    @Test(arguments: [
        ("conv1.weight", Float.nan, "conv1.weight holds nan at place 1"), ("fc.bias", .infinity, "fc.bias holds inf at place 1"),
        ("conv1.weight.momentum", -.infinity, "conv1.weight.momentum holds -inf"), ("bn1.running_mean", .nan, "bn1.running_mean holds nan"),
        ("bn1.running_var", -0.5, "bn1.running_var holds -0.5 at place 1 of 16, which is no variance")
    ])
    func impossibleNumbersAreRefused(_ name: String, _ value: Float, _ words: String) throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder, changes: ["epochs": "1", "milestones": "[]"])
        var observer = SilentObserver()
        try trainer.train(checkpoint: path, observer: &observer)
        let checkpoint = try changed(path) { file in
            let tensor = try #require(file.tensors[name])
            var values = try file.floats(named: name)
            values[1] = value
            file.tensors[name] = StoredTensor(shape: tensor.shape, values)
        }
        expectRefusal(words) { try trainer.restore(checkpoint) }
        let input = FeatureShape(height: 8, width: 8, channels: 3)
        expectRefusal(words) {
            _ = try checkpoint.evaluationNetwork(
                input: input, classes: 4, precision: .f32, in: ExecutionContext(engine: try Engine(threads: 1), batch: 1))
        }
        guard !name.hasSuffix("momentum") else { return }
        let quantized = RunDescription(
            name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 3, warmStart: trainer.run)
        expectRefusal(words) {
            try Trainer(quantized, dataset: syntheticDataset(), threads: 1).warmStart(from: checkpoint, of: trainer.run)
        }
    }

    @Test(arguments: [Float(0), -1, .nan]) func aStepSizeIsAboveZero(_ value: Float) throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder, changes: quantizedChanges)
        let checkpoint = try changed(path) { $0.tensors["act1.resolution"] = StoredTensor(shape: [1], [value]) }
        expectRefusal("act1.resolution holds") { try trainer.restore(checkpoint) }
    }

    /// A position beyond the run's end or the epoch's would end the program.
    @Test(arguments: [(-1, 0), (9, 0), (0, 6), (0, -1), (1, 0)]) func anImpossiblePositionIsRefused(_ epoch: Int, _ batch: Int) throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder)
        var state = trainer.state
        (state.epoch, state.batch) = (epoch, batch)
        let text = String(decoding: try JSONEncoder().encode(state), as: UTF8.self)
        let checkpoint = try changed(path) { $0.metadata["state"] = text }
        expectRefusal("stands at epoch \(epoch), batch \(batch)") { try trainer.restore(checkpoint) }
    }

    /// So would counts that no epoch comes to: 150 images in 5 batches, and the integer weights of eight layers.
    @Test(arguments: [
        #""images":9223372036854775807"#, #""hits":151"#, #""replaced":-1"#, #""changeSteps":4611686018427387904"#, #""changeSteps":0"#,
        #""changes":9223372036854775807"#, #""layerChanges":[1]"#, #""seconds":-1"#
    ])
    func impossibleCountsAreRefused(_ entry: String) throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder, changes: quantizedChanges)
        let key = String(entry.prefix { $0 != ":" })
        let checkpoint = try changed(path) { file in
            let text = try #require(file.metadata["state"])
            let others = text.dropFirst().dropLast().replacing(try Regex(key + ":[^,}]*,?"), with: "")
            file.metadata["state"] = "{" + others + (others.hasSuffix(",") ? "" : ",") + entry + "}"
        }
        expectRefusal("cannot come to") { try trainer.restore(checkpoint) }
    }

    @Test func anImpossibleRecipeIsRefused() throws {
        let folder = try TemporaryFolder()
        let (_, path) = try saved(folder)
        let checkpoint = try changed(path) {
            $0.metadata["run"] = $0.metadata["run"]?.replacingOccurrences(of: "\"momentum\":0.9", with: "\"momentum\":1.9")
        }
        expectRefusal("momentum must be at least 0 and below 1, not 1.9") { _ = try checkpoint.description() }
    }

    /// Scores that are not finite are no class: the error says whose they are. Here a finite weight overflows.
    @Test func scoresThatAreNotFiniteAreNoAccuracy() throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder)
        let checkpoint = try changed(path) { file in
            let tensor = try #require(file.tensors["fc.weight"])
            file.tensors["fc.weight"] = StoredTensor(shape: tensor.shape, [Float](repeating: 3e38, count: tensor.data.count / 4))
        }
        try trainer.restore(checkpoint)
        expectRefusal("the scores of test image 1 of 60 are not finite") { _ = try trainer.evaluate() }
        var observer = SilentObserver()
        #expect(throws: DivergenceError.self) { try trainer.train(checkpoint: nil, observer: &observer) }
    }

    /// The classes travel with the checkpoint; one from before they did still knows their digest.
    @Test func classesAreKept() throws {
        let folder = try TemporaryFolder()
        let (trainer, path) = try saved(folder)
        let new = try Checkpoint(path: path)
        #expect(new.classes == ["a", "b", "c", "d"])
        try new.expectClasses(["a", "b", "c", "d"], of: "list")
        expectRefusal("list has other classes") { try new.expectClasses(["a", "b", "d", "c"], of: "list") }
        expectRefusal("of the checkpoint's, class 3 is c, not d") { try new.expectClasses(["a", "b", "d", "c"], of: "list") }
        expectRefusal("there are 4, not 3") { try new.expectClasses(["a", "b", "c"], of: "list") }
        let old = try changed(path) { $0.metadata["classes"] = nil }
        #expect(old.classes == nil)
        try old.expectClasses(["a", "b", "c", "d"], of: "list")
        expectRefusal("list has other classes") { try old.expectClasses(["a", "c", "b", "d"], of: "list") }
        try trainer.restore(old)
    }

    @Test(arguments: [["a"], ["a", "b", "a", "d"], []]) func classesThatCannotBeToldApartAreRefused(_ classes: [String]) throws {
        let some = syntheticDataset()
        let data = ImageDataset(name: "synthetic", classes: classes, train: some.train, test: some.test, isOfficial: true)
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(), seed: 3, warmStart: nil)
        expectRefusal("expected two or more with different names") { _ = try Trainer(run, dataset: data, threads: 1) }
    }

    /// 65536 images of resnet1202's maps are terabytes: said before they are allocated.
    @Test func aBatchThatDoesNotFitIsRefusedBeforeTraining() throws {
        let run = RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(["batch_size": "65536", "network": "resnet1202"]), seed: 3, warmStart: nil
        )
        expectRefusal("resnet1202 (run) with batches of 65536 images would take about") {
            _ = try Trainer(run, dataset: syntheticDataset(), threads: 1)
        }
    }

    /// Weights alone give the scores of the whole checkpoint and start a run; training does not go on from them.
    @Test(arguments: ["sgd", "adam"])
    func weightsAloneAreEvaluatedAndNotGoneOnFrom(_ optimizer: String) throws {
        let folder = try TemporaryFolder()
        let changes = quantizedChanges.merging(["epochs": "1", "milestones": "[]", "evaluation": "lagged", "optimizer": optimizer]) { $1 }
        let (trainer, path) = try saved(folder, changes: changes)
        func weights() throws -> Checkpoint {
            let to = folder.path + "/weights.safetensors"
            try Checkpoint(path: path).withoutOptimizerState().write(to: URL(fileURLWithPath: to))
            return try Checkpoint(path: to)
        }
        expectRefusal("holds weights alone") { try trainer.restore(try weights()) }
        var observer = SilentObserver()
        try trainer.train(checkpoint: path, observer: &observer)
        let (whole, alone) = (try SafetensorsFile(path: path), try weights())
        let names = Set(try SafetensorsFile(path: alone.path).tensors.keys)
        #expect(names == Set(whole.tensors.keys.filter { !$0.hasSuffix(".momentum") && !$0.hasSuffix(".second_moment") }))
        #expect(names.count < whole.tensors.count)
        let expected = try trainer.evaluate(), again = try Trainer(trainer.run, dataset: syntheticDataset(), threads: 1)
        try again.restore(alone)
        let found = try again.evaluate()
        #expect(found.total.lossSum == expected.total.lossSum && found.correct == expected.correct)
        let next = RunDescription(name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 3, warmStart: trainer.run)
        try Trainer(next, dataset: syntheticDataset(), threads: 1).warmStart(from: alone, of: trainer.run)
    }
}
