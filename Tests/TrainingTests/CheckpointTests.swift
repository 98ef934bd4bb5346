// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Foundation
import Testing
import Training

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
        expectRefusal("not the finished float run") { try trainer.warmStart(from: Checkpoint(path: path), of: float.run) }
    }
}
