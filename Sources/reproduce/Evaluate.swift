// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Experiments
import Files
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
    @OptionGroup var format: JSONOption

    @Option(help: ArgumentHelp("Output folder; of each run RUN the file is runs/RUN/correct.txt in it.", valueName: "dir"))
    var out = "runs"

    func run() throws {
        let runs = FinishedRuns(try OutputFolder(out), threads: computing.threads, dataWorkers: imageNet.dataWorkers)
        var loaded: (any Dataset)?  // mostly one for all
        for path in checkpoints {
            let checkpoint = try Checkpoint(path: path), run = try checkpoint.description()
            let dataset =
                try loaded.flatMap { $0.name == run.dataset ? $0 : nil } ?? images.load(for: run, of: path, imageNet, needsTraining: true)
            loaded = dataset
            let (file, outcomes) = try runs.evaluate(checkpoint, on: dataset)
            let found = EvaluatedRun(checkpoint: path, run: run.name, file: file, correct: outcomes.count, images: outcomes.correct.count)
            say(format.json ? try jsonText(found) : "\(file): \(outcomes.count) of \(outcomes.correct.count)")
        }
    }
}
