// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Export
import Files
import Foundation
import Training

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare-model",
        abstract: "Counts how a packed model differs from the checkpoint that it was exported from, on all test images.",
        discussion:
            "Integers of every layer and predicted classes are compared with the evaluation in mixed precision. Fails if any differ.")

    @Argument(help: "Checkpoint of a quantized run.") var checkpoint: String
    @Argument(help: ArgumentHelp("Packed model.", valueName: "model.bcgd")) var model: String
    @OptionGroup var images: DataOptions
    @OptionGroup var imageNet: ImageNetOptions
    @OptionGroup var computing: ThreadOptions

    func run() throws {
        let (checkpoint, model) = (try Checkpoint(path: checkpoint), try PackedModel(path: model))
        let run = try checkpoint.description()
        let dataset = try images.load(for: run, of: checkpoint.path, imageNet, needsTraining: false)
        try checkpoint.expectClasses(dataset.classes, of: "the data set's list")
        let split = try dataset.sources(imageSize: run.recipe.imageSize).test
        let comparison = try compare(checkpoint, with: model, on: split, threads: computing.threads.count)
        for unit in comparison.units { say("\(unit.name): \(unit.differing) of \(unit.compared) differ") }
        say(
            """
            all layers: \(comparison.differing) of \(comparison.compared) integers differ
            predicted classes: \(comparison.differingClasses) of \(comparison.images) differ
            right: \(comparison.networkCorrect) by the network, \(comparison.modelCorrect) by the packed model
            scores differ by \(comparison.largestScoreDifference) at most
            """)
        if comparison.differing > 0 || comparison.differingClasses > 0 { throw ExitCode.failure }
    }
}
