// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Datasets
import Files
import Foundation
import Parallelism
import Reporting
import Training

extension RunProtocol: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
    @Option(name: .customLong("threads"), help: "Threads that compute (default: all processors that may be used; of a run that goes on, its own).")
    var asked: Int?

    var threads: Int { asked ?? standardThreads() }

    /// Those of the run that goes on, where no others are asked for.
    func threads(goingOnFrom checkpoint: Checkpoint?) -> Int { asked ?? checkpoint?.state.threads ?? standardThreads() }

    func validate() throws {
        if let asked { guard (1...256).contains(asked) else { throw ValidationError("--threads must be 1 to 256, not \(asked)") } }
    }
}

/// Where the images come from.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder with CIFAR-10's binary version (cifar-10-batches-bin, or its parent).",
            discussion: "Also taken from the environment variable BCGD_DATA. Without either, Fashion-MNIST from its Debian package is used.",
            valueName: "dir"))
    var data: String?

    @Flag(help: "Accept data files whose checksums are not the official ones; the results say so.")
    var allowUnofficialData = false

    func load() throws -> ImageDataset {
        guard let folder = data ?? environment("BCGD_DATA") else { return try FashionMNIST.load(allowUnofficial: allowUnofficialData) }
        return try CIFAR10.load(folder: folder, allowUnofficial: allowUnofficialData)
    }

    /// The data set that a run was trained on.
    /// - Parameter path: of the run's checkpoint, for messages.
    func load(for run: RunDescription, of path: String, _ imageNet: ImageNetOptions, needsTraining: Bool) throws -> any Dataset {
        let dataset: any Dataset = try Subject(dataset: run.dataset) == .imageNet ? imageNet.load(data, needsTraining: needsTraining) : load()
        guard run.dataset == dataset.name else { throw FileError("\(path) was trained on \(run.dataset), not on \(dataset.name)") }
        return dataset
    }
}

/// What an experiment is about: each subject has cells, protocols and tables of its own.
enum Subject: CaseIterable {
    /// CIFAR-10, and Fashion-MNIST in its place.
    case smallImages
    /// ImageNet, and some of its classes in its place.
    case imageNet

    /// Of a data set's name.
    init(dataset: String) { self = dataset.hasPrefix("ImageNet") ? .imageNet : .smallImages }

    /// - Parameter experiments: the folder with all recipes.
    func folder(in experiments: String) -> String {
        switch self {
        case .smallImages: experiments
        case .imageNet: "\(experiments)/imagenet"
        }
    }

    /// Names of the layouts of tables and figures.
    var tables: [String] {
        switch self {
        case .smallImages: ["table1", "table1-authors-code", "table2", "figure1", "figure2"]
        case .imageNet: ["table3", "figure4"]
        }
    }
}

/// Where the recipes are.
struct ExperimentOptions: ParsableArguments {
    @Option(name: .customLong("protocol"), help: "How long to train: smoke (minutes), brief (15 + 10 epochs), short (30 + 30) or paper (the published schedule).")
    var runProtocol = RunProtocol.smoke

    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir"))
    var experiments = "Experiments"

    func cells(_ subject: Subject = .smallImages) throws -> ExperimentCells {
        guard FileManager.default.fileExists(atPath: experiments) else {
            throw FileError("there is no folder \(experiments) here; run from the package's folder, or name it with --experiments")
        }
        return try ExperimentCells(runProtocol, folder: subject.folder(in: experiments))
    }

    func table(_ name: String, _ subject: Subject = .smallImages) throws -> ExperimentTable {
        try ExperimentTable(name, folder: subject.folder(in: experiments))
    }

    func reported() throws -> ReportedValues { try ReportedValues(contentsOf: "\(experiments)/reported.csv") }
}

/// A comma-separated list.
func split(_ list: String) -> [String] {
    list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}

/// The value of an environment variable; an empty one counts as none.
func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
}
