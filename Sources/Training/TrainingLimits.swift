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

    /// - Throws: `RecipeError` for a run that is described on other images than it would see.
    static func expectNamed(_ dataset: any Dataset, of run: RunDescription) throws {
        guard dataset.name != run.dataset else { return }
        let aside = run.recipe.validationImages
        throw RecipeError(
            "\(run.name) is described on \"\(run.dataset)\", but its images\(aside > 0 ? ", \(aside) of them set aside," : "") are "
                + "\"\(dataset.name)\": give RunDescription the dataset that it is to see, dataset.id.validating(\(aside)).name")
    }

    /// - Throws: `FileError` for splits without images, or with images of two shapes, of which a network takes but one.
    static func expectImages(_ train: any ImageSource, _ test: any ImageSource, of dataset: String) throws {
        guard train.count > 0, test.count > 0 else {
            throw FileError(
                "\(dataset) has \(train.count) training and \(test.count) test images: expected one of each at least; add what is missing")
        }
        guard test.count < 1_000_000 else {
            throw FileError("\(dataset) has \(test.count) images to evaluate: expected fewer than a million; set fewer aside, or move some")
        }
        func text(_ shape: FeatureShape) -> String { "\(shape.height)×\(shape.width)×\(shape.channels)" }
        guard train.shape == test.shape else {
            throw FileError(
                "\(dataset) has training images of \(text(train.shape)) and test images of \(text(test.shape)): expected one shape; bring "
                    + "them to it")
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

extension ImageSource {
    /// Of an image, as a network takes it.
    var shape: FeatureShape { FeatureShape(height: height, width: width, channels: channels) }
}

extension Recipe {
    /// Whether a run on a data set can begin at all, for whoever trains others before it.
    /// - Throws: what `Trainer.init` would throw of the recipe, the images and the network.
    package func expectNetwork(on dataset: any Dataset) throws {
        try validate()
        let (train, test) = try dataset.settingAside(validationImages).sources(imageSize: imageSize)
        try Trainer.expectImages(train, test, of: dataset.name)
        _ = try graph(input: train.shape, classes: dataset.classes.count)
    }
}

extension Checkpoint {
    /// - Throws: `CheckpointError` when the run stands where it cannot have come to.
    func expectPosition(epochs: Int, batches: Int, images: Int, integerWeights: [Int]) throws {
        guard (0...epochs).contains(state.epoch), (0...batches).contains(state.batch), state.curve.count == state.epoch else {
            throw CheckpointError(
                description:
                    "\(path) stands at epoch \(state.epoch), batch \(state.batch), and there are \(epochs) epochs of \(batches) batches: "
                    + "it is damaged, or another run's; delete it to start the run again")
        }
        let all = integerWeights.reduce(0, +), layers = state.layerChanges ?? []
        guard (0...images).contains(state.images), (0...images).contains(state.hits), (0...images).contains(state.replaced ?? 0),
            (1...max(1, batches)).contains(state.changeSteps ?? 1), (0...batches * all).contains(state.changes ?? 0),
            layers.isEmpty
                || zip(layers, integerWeights).allSatisfy({ (0...batches * $1).contains($0) }) && layers.count == integerWeights.count,
            state.curve.enumerated().allSatisfy({ $1.epoch == $0 + 1 }), (0...1e12).contains(state.seconds)
        else {
            throw CheckpointError(
                description: "\(path) counts what \(images) images in \(batches) batches cannot come to: it is damaged, or another run's; "
                    + "delete it to start the run again")
        }
    }
}
