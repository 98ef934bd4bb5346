// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Collectives
import Datasets
import Experiments
import Files
import Foundation
import Training

/// ImageNet's folder and how to read it; the folder itself is an option of the command.
struct ImageNetOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "ImageNet: the classes and their places among ImageNet-1k's, a line each: number, WordNet id, name.",
            discussion: "Default: classes.txt in the data folder, else the sorted folders.", valueName: "file"))
    var classes: String?

    @Option(
        name: .customLong("max-unreadable"),
        help: ArgumentHelp(
            "ImageNet: so many training images may be unreadable; each is named and replaced by the next one (default: 20).",
            valueName: "count"))
    var askedUnreadable: Int?
    var maxUnreadable: Int { askedUnreadable ?? 20 }

    @Option(
        name: [.customLong("data-workers"), .customLong("loaders")],
        help: ArgumentHelp(
            "ImageNet: threads that decode images (data workers; default: 1). The results do not depend on it.", valueName: "count"))
    var askedWorkers: Int?
    var dataWorkers: Int { askedWorkers ?? 1 }

    /// The first of these options that was given, for where there is nothing of ImageNet.
    /// - Parameter besidesWorkers: leaves the threads out, which prepare other images, too.
    func given(besidesWorkers: Bool = false) -> String? {
        if classes != nil { return "--classes" }
        if askedUnreadable != nil { return "--max-unreadable" }
        return askedWorkers != nil && !besidesWorkers ? "--data-workers" : nil
    }

    func validate() throws {
        guard (1...64).contains(dataWorkers) else { throw ValidationError("--data-workers must be 1 to 64, not \(dataWorkers)") }
        guard maxUnreadable >= 0 else { throw ValidationError("--max-unreadable must be at least 0, not \(maxUnreadable)") }
    }

    /// - Parameter folder: `nil` for that of the environment variable BCGD_IMAGENET.
    func folder(_ folder: String?) -> String? {
        folder ?? environment("BCGD_IMAGENET")
    }

    func load(_ folder: String?, needsTraining: Bool = true) throws -> ImageNet {
        let files = DatasetFiles(
            folder: self.folder(folder), classList: classes, maxUnreadable: maxUnreadable, needsTraining: needsTraining)
        return try ImageNet(files)
    }

    /// The images in the folder; without one all of ImageNet.
    func planned(_ folder: String?) throws -> PlannedImages {
        self.folder(folder) == nil ? PlannedImages(.imageNet) : try PlannedImages(try load(folder))
    }
}

struct TableThree: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table3", abstract: "Trains the cells of table 3: ImageNet, all layers quantized or the first and last one float.",
        discussion: "Protocols: paper is 80 epochs, short 16, brief 16 at 128×128 (for a few classes and --pretrained), smoke 1. "
            + tableDiscussion)

    @OptionGroup var options: TrainingOptions

    @Option(
        help: ArgumentHelp("Folder with train/ and val/ (or BCGD_IMAGENET); other numbers of classes are a stand-in.", valueName: "dir"))
    var data: String?

    @OptionGroup var imageNet: ImageNetOptions

    @Option(
        help: ArgumentHelp(
            "Weights of a float network (safetensors, torchvision's names) in place of a float run.",
            discussion: "Of a classifier of more classes, those of the data set are kept.", valueName: "file"))
    var pretrained: String?

    @Flag(help: "With --pretrained: train the float network further on the data set, and start from that.")
    var fineTune = false

    func validate() throws {
        guard !fineTune || pretrained != nil else { throw ValidationError("--fine-tune needs --pretrained") }
    }

    func run() throws {
        try options.job.asRank { collective in try train(collective) }
    }

    private func train(_ collective: any Collective) throws {
        let cells = try options.cells(.imageNet)
        let file = try pretrained.map(PretrainedFile.init)
        let network = try file?.network()
        let named = options.only.map(split)
        let all = try cells.selection(of: try options.experiment.folder.tables(.imageNet), only: named)
        let selected = all.filter { file == nil || $0.recipe.network == network }
        if let named, let file, let network, let other = all.first(where: { named.contains($0.name) && $0.recipe.network != network }) {
            throw FileError(
                "\(file.path) holds weights of \(network), and \(other.name) is of \(other.recipe.network): leave it out of --only, or "
                    + "train it without --pretrained")
        }
        guard let first = selected.first else {
            throw FileError("\(file?.path ?? "") holds weights of \(network ?? ""), and no selected cell is of that network")
        }
        guard imageNet.folder(data) != nil else {
            throw FileError("no folder with images was named; \(ImageNet.advice). \(try estimate(first, of: selected))")
        }
        try options.expectDivisible(selected, by: collective)
        let dataset = try imageNet.load(data)
        if collective.isFirst {
            note(
                "\(dataset.name): \(dataset.classes.count) classes"
                    + (dataset.isOfficial ? "" : "; not all of ImageNet, the results say so"))
        }
        try options.train(
            selected, of: cells, on: dataset, collective, dataWorkers: imageNet.dataWorkers,
            pretrained: file.map { PretrainedStart($0, fineTune ? .fineTuned : .asItIs) })
    }

    /// What the selected cells would take on this machine.
    private func estimate(_ cell: ExperimentCell, of selected: [ExperimentCell]) throws -> String {
        let quantized = selected.first { !$0.isFloat && $0.recipe.network == cell.recipe.network } ?? cell
        note("measuring a training step of \(quantized.name) …")
        let cost = try StepCost(
            measuring: quantized.recipe, on: PlannedImages(.imageNet), precision: options.precision,
            threads: options.computing.threads.count)
        let epochs = quantized.recipe.epochs, time = timeInWords(cost.seconds(epochs: epochs))
        return String(
            format: "On this machine a training image of %@ in %@ took %.1f ms: ", quantized.name, options.precision.rawValue,
            1000 * cost.secondsAnImage)
            + "protocol \(options.experiment.runProtocol.rawValue), \(epochs) epoch\(epochs == 1 ? "" : "s"), would take about \(time), "
            + "and \(selected.count) cells are selected"
    }
}
