// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Collectives
import Datasets
import Experiments
import Files
import Foundation
import TensorBoard
import Training

extension EventFolder: ScalarLog {}

/// What to watch of a training.
struct WatchOptions: ParsableArguments {
    @Flag(help: "Keep what quantization does to each layer at every epoch's end, in OUT/runs/RUN/diagnostics.csv and the page.")
    var diagnostics = false

    @Option(
        help: ArgumentHelp(
            "Folder for TensorBoard's event files, a folder in it for each run: losses, accuracies, rate, images a second, and each "
                + "layer's step size and weights.",
            valueName: "dir"))
    var tensorboard: String?

    /// - Throws: `FileError` when the folder cannot be made.
    func watching() throws -> Watching {
        guard let tensorboard else { return Watching(diagnostics: diagnostics) }
        try makeFolder(tensorboard)
        return Watching(diagnostics: diagnostics) { try EventFolder("\(tensorboard)/\($0)") }
    }

    /// As they are said on a command line.
    var words: [String] { (diagnostics ? ["--diagnostics"] : []) + (tensorboard.map { ["--tensorboard", $0] } ?? []) }
}

/// What and how to train, the same for every table.
struct TrainingOptions: ParsableArguments {
    @OptionGroup var experiment: ExperimentOptions

    @Option(help: ArgumentHelp("Only these cells, and the float runs they need (see `reproduce list`).", valueName: "cell,…"))
    var only: String?

    @Option(help: ArgumentHelp("Seeds; every cell is run once with each.", valueName: "seed,…"))
    var seeds = "1"

    @OptionGroup var computing: ThreadOptions

    @Option(
        name: .customLong("precision"),
        help: """
            Arithmetic: f32; mixed (exact integers forward where all is quantized, bf16 elsewhere, sums in f32), the default with \
            AVX-512 VNNI and BF16; s16 (as mixed, with exact gradients in 16 bits, whose bits depend on neither processor nor threads), \
            the default with AVX2.
            """)
    var askedPrecision: Precision?
    var precision: Precision { askedPrecision ?? .best }

    @Option(
        help: ArgumentHelp(
            "Arithmetic of the float runs that cells start from (default: that of --precision).",
            discussion: "f32 with float runs of Experiments/pytorch/train.py, whose start is a run's in f32.", valueName: "precision"))
    var floatPrecision: Precision?

    @OptionGroup var job: RankOptions

    @Option(help: ArgumentHelp("The recipe's key shards, of every cell (default: what the cells say, mostly 1).", valueName: "count"))
    var shards: Int?

    @Option(help: ArgumentHelp("Output folder.", valueName: "dir"))
    var out = "runs"

    @Flag(help: "Keep what the output folder holds of these runs, and go on.")
    var resume = false

    @Option(
        help: ArgumentHelp(
            "Save and end after so many steps of the first run that is not finished; 0: its checkpoint before the first.",
            valueName: "steps"))
    var stopAfter: Int?

    @OptionGroup var watch: WatchOptions

    func validate() throws {
        _ = try seedList()
        if let shards {
            guard (1...4096).contains(shards), shards & (shards - 1) == 0 else {
                throw ValidationError("--shards must be a power of two from 1 to 4096, not \(shards)")
            }
        }
        if let stopAfter { guard stopAfter >= 0 else { throw ValidationError("--stop-after must be 0 or more steps, not \(stopAfter)") } }
        if let only, split(only).isEmpty { throw ValidationError("--only must name a cell; `reproduce list` shows them") }
    }

    func cells(_ subject: Subject) throws -> ExperimentCells { try experiment.cells(subject).sharded(shards) }

    /// Trains the cells of the tables that are not yet there, and rebuilds the folder's tables and figures.
    /// - Parameters:
    ///   - further: a figure that an option adds to them.
    ///   - recipe: leaves out cells of other base recipes.
    func train(_ names: [String], and further: FurtherFigure? = nil, on images: DataOptions, recipe: String? = nil) throws {
        let subject = Subject(images.dataset.id)
        try job.asRank { collective in
            guard names.contains(where: subject.tables.contains) else {
                throw FileError(
                    "\(names.joined(separator: ", ")) is not of \(images.dataset.rawValue), whose tables are "
                        + "\(subject.tables.joined(separator: ", ")): choose another --dataset"
                )
            }
            try images.expectNamed(for: experiment.runProtocol)
            let cells = try cells(subject)
            var tables = try names.filter(subject.tables.contains).map { try experiment.folder.table($0, subject) }
            if let figure = try further?.layout(beside: tables, cells, only: only.map(split), experiment.folder, images.dataset) {
                tables.append(figure)
            }
            let selected = try cells.selection(of: tables, only: only.map(split), recipe: recipe)
            try expectDivisible(selected, by: collective)
            try train(selected, of: cells, on: try images.load(), collective)
        }
    }

    /// To be called before the images are loaded, which takes longer.
    func expectDivisible(_ selected: [ExperimentCell], by collective: any Collective) throws {
        for cell in selected { try Shards.expectDivisible(cell.recipe.shards, by: collective) }
    }

    /// - Parameters:
    ///   - dataWorkers: threads that prepare images.
    ///   - pretrained: where the networks' first weights come from, instead of a float run's training.
    func train(
        _ selected: [ExperimentCell], of cells: ExperimentCells, on dataset: any Dataset, _ collective: any Collective,
        dataWorkers: Int = 1, pretrained: PretrainedStart? = nil
    ) throws {
        let stop = StopRequest()
        let signals = StopSignals(stop, answer: job.answer(as: collective))
        defer { withExtendedLifetime(signals) {} }
        let output = collective.isFirst ? try OutputFolder(out) : OutputFolder(ofFirstRank: out)
        let runner = try TableRunner(
            cells: cells, dataset: dataset, threads: computing.threads, dataWorkers: dataWorkers, precision: askedPrecision,
            floatPrecision: floatPrecision, pretrained: pretrained, output: output, experiments: experiment.folder,
            invocation: job.invocation,
            watching: try collective.isFirst ? watch.watching() : Watching(), stop: stop, stepLimit: stopAfter,
            collective: collective)
        try runner.run(selected, seeds: try seedList(), resume: resume)
        if stop.isMade {
            if collective.isFirst { print("stopped; everything is saved in \(out): the same command with --resume goes on") }
            throw ExitCode(stop.exitStatus)
        }
        // Not there where --stop-after ended the first run before an epoch's end.
        if collective.isFirst, FileManager.default.fileExists(atPath: output.page) { note("tables and page: \(output.page)") }
    }

    func seedList() throws -> [UInt64] {
        let list = try split(seeds).map { text in
            guard let seed = UInt64(text) else { throw ValidationError("--seeds must be whole numbers such as 1,2,3, not \(text)") }
            return seed
        }
        guard !list.isEmpty else { throw ValidationError("--seeds names none: expected whole numbers such as 1,2,3") }
        guard Set(list).count == list.count else { throw ValidationError("--seeds must name each seed once") }
        return list
    }
}

/// A figure whose cells a command trains, too, where an option asks for them.
struct FurtherFigure {
    let name, option: String
    let isAsked: Bool

    /// Its layout; nil where it is not asked for.
    /// - Throws: `FileError` where there is nothing of it to train, and where `only` names a cell of it alone that is not asked for.
    func layout(
        beside tables: [ExperimentTable], _ cells: ExperimentCells, only: [String]?, _ folder: ExperimentFolder, _ dataset: KnownDataset
    ) throws -> ExperimentTable? {
        let subject = Subject(dataset.id)
        guard subject.tables.contains(name) else {
            guard !isAsked else { throw FileError("\(option) is for \(name), which \(dataset.rawValue) does not have: leave it out") }
            return nil
        }
        let layout = try folder.table(name, subject)
        guard isAsked else {
            let own = layout.cells.filter { cell in !tables.contains { $0.cells.contains(cell) } }
            guard let cell = only?.first(where: own.contains) else { return nil }
            throw FileError("\(cell) is a cell of \(name): add \(option)")
        }
        let protocols = cells.protocols(running: layout.cells)
        guard protocols.contains(cells.runProtocol) else {
            throw FileError(
                "\(name) has no cell in protocol \(cells.runProtocol.rawValue), but in "
                    + "\(protocols.map(\.rawValue).joined(separator: ", ")): leave \(option) out, or choose another --protocol")
        }
        return layout
    }
}

let tableDiscussion = """
    Each quantized cell starts from the float run of the same network, data set and seed, which is trained first. \
    A cell that several tables show is trained once. Finished runs and checkpoints are kept in the output folder: \
    Ctrl-C, then the same command with --resume, goes on where it stopped.
    """

struct TableOne: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table1", abstract: "Trains the cells of table 1: networks, bit widths, BCGD against BinaryConnect.",
        discussion: tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions

    @Option(help: "The base recipe: paper, or authors-code, whose runs stand beside the paper's in a table of their own.")
    var recipe = "paper"

    func validate() throws {
        guard ["paper", "authors-code"].contains(recipe) else {
            throw ValidationError("--recipe must be paper or authors-code, not \(recipe)")
        }
    }

    func run() throws {
        // Table 1 itself may have cells of further recipes.
        if recipe == "paper" { return try options.train(["table1"], on: images) }
        try options.train(["table1-\(recipe)"], on: images, recipe: recipe)
    }
}

struct TableTwo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table2", abstract: "Trains the cells of table 2: coarse derivatives of the quantized ReLU in α and in x.",
        discussion: tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions
    func run() throws { try options.train(["table2"], on: images) }
}

struct TableFour: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table4",
        abstract:
            "Trains the cells of table 4: straight-through estimators with float weights (the companion paper's table 1), on CIFAR-10 or "
            + "MNIST.",
        discussion: "--dataset mnist for LeNet-5; CIFAR-10 for VGG-11 and ResNet-20. " + tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions

    @Flag(help: "Also the runs of figure 6: from one estimator's minimum on with another (ResNet-20).")
    var instability = false

    func run() throws {
        try options.train(["table4"], and: FurtherFigure(name: "figure6", option: "--instability", isAsked: instability), on: images)
    }
}

struct TableFive: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table5", abstract: "Trains the cells of table 5: BCGD and BinaryConnect beside LSQ, PACT and DoReFa.",
        discussion: tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions
    func run() throws { try options.train(["table5"], on: images) }
}

struct Figures: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figures", abstract: "Trains the cells of the figures (validation curves; the sweep of ρ) and draws them.",
        discussion: tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions

    @Flag(help: "Also those of figure 8: the same runs evaluated with statistics of batch norm averaged anew.")
    var statistics = false

    func run() throws {
        let further = FurtherFigure(name: "figure8", option: "--statistics", isAsked: statistics)
        try options.train(["figure1", "figure2"], and: further, on: images)
    }
}

struct All: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all",
        abstract: "Trains the cells of all of a data set's tables and figures; on small images those with the paper's recipe.",
        discussion: tableDiscussion)
    @OptionGroup var options: TrainingOptions
    @OptionGroup var images: DataOptions
    func run() throws {
        let subject = Subject(images.dataset.id)
        try options.train(subject.tables, on: images, recipe: subject == .mnist ? nil : "paper")
    }
}
