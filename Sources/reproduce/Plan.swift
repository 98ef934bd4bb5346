// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Files
import Foundation

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a table's runs as lines of a shell, one process each, and a script that gives them to Slurm.",
        discussion: """
            OUT/plan/float.jobs first, then quantized.jobs, whose runs start from those: for GNU parallel (parallel -j 2 < float.jobs), or \
            submit.sh for Slurm; from the current folder, as paths are relative to it. All lines write into OUT, one after the other; \
            lines that are run again go on where they stopped.
            """)

    @Argument(help: "The table: table1 to table5.") var table: String
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions
    @OptionGroup var imageNet: ImageNetOptions

    func validate() throws {
        guard ["table1", "table2", "table3", "table4", "table5"].contains(table) else {
            throw ValidationError("the table must be table1 to table5, not \(table)")
        }
        guard options.job.ranks == nil else { throw ValidationError("lines of a plan are one process each: leave --ranks out") }
        guard !options.resume else { throw ValidationError("lines of a plan say --resume themselves: leave it out") }
        guard options.stopAfter == nil else { throw ValidationError("lines of a plan train whole runs: leave --stop-after out") }
        if table == "table3", let option = images.givenBesidesFolder {
            throw ValidationError("\(option) is not for table3, which is ImageNet's: leave it out")
        }
        if table != "table3", let option = imageNet.given() { throw ValidationError("\(option) is for table3: leave it out") }
    }

    func run() throws {
        let subject = table == "table3" ? Subject.imageNet : Subject(images.dataset.id)
        guard subject.tables.contains(table) else {
            throw FileError("\(table) is not of \(images.dataset.rawValue): choose another --dataset")
        }
        let cells = try options.cells(subject)
        let selected = try cells.selection(of: [try options.experiment.folder.table(table, subject)], only: options.only.map(split))
        let lines = try JobLines(selected, of: cells, seeds: try options.seedList()) { cell, seed in
            [InstalledProgram.file, table] + common + ["--only", cell, "--seeds", "\(seed)", "--resume"]
        }
        for file in try lines.write(to: "\(options.out)/plan", package: FileManager.default.currentDirectoryPath) { say(file) }
    }

    /// Where the lines find their images; those of Fashion-MNIST have a place of their own, whatever BCGD_DATA names.
    private var data: String? {
        if table == "table3" { return imageNet.folder(images.data) }
        return images.dataset == .fashionMNIST ? nil : images.folder
    }

    /// What all lines say.
    private var common: [String] {
        func option(_ name: String, _ value: (some CustomStringConvertible)?) -> [String] { value.map { [name, $0.description] } ?? [] }
        return ["--protocol", options.experiment.runProtocol.rawValue, "--precision", options.precision.rawValue, "--out", options.out]
            + option("--float-precision", options.floatPrecision?.rawValue) + option("--experiments", options.experiment.recipes.asked)
            + option("--threads", options.computing.asked) + option("--shards", options.shards)
            + option("--data", data)
            + options.watch.words
            + (table == "table3"
                ? option("--classes", imageNet.classes) + [
                    "--max-unreadable", "\(imageNet.maxUnreadable)", "--data-workers", "\(imageNet.dataWorkers)"
                ]
                : ["--dataset", images.dataset.id.slug] + (images.allowUnofficialData ? ["--allow-unofficial-data"] : []))
    }
}
