// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Files
import Foundation
import Reporting
import Training

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes which test images finished runs get right, from their checkpoints; trains nothing.",
        discussion: "McNemar's test needs it; runs write it when they finish. It must come to the recorded number of images.")

    @Argument(help: ArgumentHelp("Checkpoints of finished runs.", valueName: "checkpoint"))
    var checkpoints: [String]

    @OptionGroup var images: DataOptions
    @OptionGroup var imageNet: ImageNetOptions

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("Output folder; the files go to its folder correct, named after the checkpoints.", valueName: "dir"))
    var out = "runs"

    func run() throws {
        let output = try OutputFolder(out)
        var loaded: (any Dataset)?  // mostly one for all
        for path in checkpoints {
            let checkpoint = try Checkpoint(path: path), run = try checkpoint.description()
            let dataset = try loaded.flatMap { $0.name == run.dataset ? $0 : nil } ?? images.load(for: run, of: path, imageNet, needsTraining: true)
            loaded = dataset
            let trainer = try Trainer(run, dataset: dataset, threads: computing.threads(goingOnFrom: checkpoint), loaders: imageNet.loaders)
            try trainer.restore(checkpoint)
            let outcomes = ImageOutcomes(try trainer.finalCorrect())
            let file = output.correct(((path as NSString).lastPathComponent as NSString).deletingPathExtension)
            try outcomes.write(to: file)
            say("\(file): \(outcomes.correct.count { $0 }) of \(outcomes.correct.count)")
        }
    }
}
