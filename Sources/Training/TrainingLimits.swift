// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Files
import Graph

/// What a run needs before its first step, so that it is not found out by an end in the middle.
extension Trainer {
    /// - Throws: `FileError` for classes that cannot be told apart, or too few to learn anything.
    static func expectDistinct(_ classes: [String], of dataset: String) throws {
        guard classes.count > 1, Set(classes).count == classes.count, !classes.contains(where: { $0.contains("\n") }) else {
            throw FileError("\(dataset) has the classes \(classes.prefix(20)): expected two or more with different names of one line")
        }
    }

    /// - Throws: `GraphError` for a network that does not end in one score a class.
    static func expectScores(_ graph: NetworkGraph, classes: Int, name: String) throws {
        guard let last = graph.shapes.last, last == FeatureShape(height: 1, width: 1, channels: classes) else {
            let found = graph.shapes.last.map { "\($0.height)×\($0.width)×\($0.channels)" } ?? "nothing"
            throw GraphError("\(name) ends in \(found), expected 1×1×\(classes), a score for each class")
        }
    }

    /// Room for the network, the batches that are kept ready for training and evaluation, and the one in use.
    /// - Throws: `MemoryError` with what is needed and what there is.
    static func expectRoom(for run: RunDescription, _ graph: NetworkGraph, batch: Int, threads: Int) throws {
        let slots = 2 * (BatchLoader.depth + 1) + 1
        let memory = try NetworkMemory(
            graph, name: run.recipe.network, precision: run.precision, relaxesWeights: run.recipe.relaxesWeights, threads: threads)
        try memory.expectRoom(
            batch: batch, besides: slots * 4 * graph.input.count, for: "\(run.recipe.network) (\(run.name))")
    }
}

extension Checkpoint {
    /// - Throws: `CheckpointError` when the run stands where it cannot have come to.
    func expectPosition(epochs: Int, batches: Int, images: Int, integerWeights: [Int]) throws {
        guard (0...epochs).contains(state.epoch), (0...batches).contains(state.batch), state.curve.count == state.epoch else {
            throw CheckpointError(
                description:
                    "\(path) stands at epoch \(state.epoch), batch \(state.batch), and there are \(epochs) epochs of \(batches) batches")
        }
        let all = integerWeights.reduce(0, +), layers = state.layerChanges ?? []
        guard (0...images).contains(state.images), (0...images).contains(state.hits), (0...images).contains(state.replaced ?? 0),
            (1...max(1, batches)).contains(state.changeSteps ?? 1), (0...batches * all).contains(state.changes ?? 0),
            layers.isEmpty
                || zip(layers, integerWeights).allSatisfy({ (0...batches * $1).contains($0) }) && layers.count == integerWeights.count,
            state.curve.enumerated().allSatisfy({ $1.epoch == $0 + 1 }), (0...1e12).contains(state.seconds)
        else {
            throw CheckpointError(
                description: "\(path) counts what \(images) images in \(batches) batches cannot come to: it is damaged, or another run's")
        }
    }
}
