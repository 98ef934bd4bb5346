// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import BuildFacts
import Collectives
import Datasets
import Experiments
import Files
import Foundation
import Training

extension RunProtocol: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

extension Invocation {
    /// This program as it was called.
    static var current: Invocation {
        Invocation(commit: BuildFacts.commit, command: shellCommand(InstalledProgram.words + CommandLine.arguments.dropFirst()))
    }
}

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
    @Option(
        name: .customLong("threads"),
        help: "Threads that compute (default: all processors that may be used; of a run that goes on, its own).")
    var asked: Int?

    var threads: ComputeThreads { ComputeThreads(asked) }

    func validate() throws {
        if let asked { guard (1...256).contains(asked) else { throw ValidationError("--threads must be 1 to 256, not \(asked)") } }
    }
}

/// How many processes share the work.
struct RankOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Processes that share each run, started by mpirun or srun; a power of two that divides --shards. Rank 0 writes and shows "
                + "progress.",
            discussion: "Needs a build with MPI (Documentation/Cluster.md). The results do not depend on it.", valueName: "count"))
    var ranks: Int?

    func validate() throws {
        if let fault = fault(ofRanks: ranks) { throw ValidationError(fault) }
    }

    /// Runs `body` as one of them.
    func asRank(_ body: (any Collective) throws -> Void) throws { try Collectives.asRank(of: ranks, isEnd: { $0 is ExitCode }, body) }

    /// What one of them says of a signal: the first alone, since mpirun passes it on to all, and ends those that are left when one has
    /// died.
    func answer(as collective: any Collective) -> @Sendable (String) -> String? {
        guard collective.ranks > 1 else { return StopSignals.answer }
        let ranks = collective.ranks, isFirst = collective.isFirst
        return { name in
            guard isFirst else { return nil }
            guard name == "SIGTERM" else { return "\(name): all \(ranks) ranks stop as soon as all is saved" }
            return
                "SIGTERM: the job ends, since it was stopped or another of its \(ranks) ranks died; the same command with --resume goes on"
        }
    }

    /// This program as it was called.
    var invocation: Invocation {
        guard let ranks, ranks > 1 else { return .current }
        return Invocation(
            commit: BuildFacts.commit,
            command: shellCommand(["mpirun", "-n", "\(ranks)", InstalledProgram.file] + CommandLine.arguments.dropFirst()))
    }
}

/// Those of small images, by their names in lower case.
extension KnownDataset: ExpressibleByArgument {
    private static var smallImages: [KnownDataset] { allCases.filter { Subject($0.id) != .imageNet } }
    public static var allValueStrings: [String] { smallImages.map(\.id.slug) }

    public init?(argument: String) {
        guard let named = Self.smallImages.first(where: { $0.id.slug == argument }) else { return nil }
        self = named
    }
}

/// Where the images come from.
struct DataOptions: ParsableArguments {
    @Option(
        name: .customLong("dataset"),
        help: """
            The data set (default: cifar-10 if --data or BCGD_DATA is given, else fashion-mnist, in trainings with protocol smoke alone; \
            for checkpoints, theirs).
            """)
    var asked: KnownDataset?

    @Option(
        help: ArgumentHelp(
            "Folder with CIFAR-10's binary version (cifar-10-batches-bin, or its parent) or with MNIST's four IDX files (or their folder "
                + "mnist).",
            discussion: "Also taken from the environment variable BCGD_DATA. Fashion-MNIST is always that of its Debian package.",
            valueName: "dir"))
    var data: String?

    @Flag(help: "Accept data files whose checksums are not the official ones; the results say so.")
    var allowUnofficialData = false

    func validate() throws {
        guard asked != .fashionMNIST || data == nil else {
            throw ValidationError("--data plays no part in --dataset fashion-mnist, which is its Debian package's: leave one of them out")
        }
    }

    /// The first of those given that says more than where images are, for messages that it plays no part.
    var givenBesidesFolder: String? { asked != nil ? "--dataset" : allowUnofficialData ? "--allow-unofficial-data" : nil }

    /// With images; `nil` where none was named.
    var folder: String? { data ?? environment("BCGD_DATA") }
    var dataset: KnownDataset { asked ?? (folder == nil ? .fashionMNIST : .cifar10) }

    /// - Throws: `FileError` where nobody said what to train on, but in protocol smoke: nobody waits for hours of Fashion-MNIST by mistake.
    func expectNamed(for runProtocol: RunProtocol) throws {
        guard runProtocol == .smoke || asked != nil || folder != nil else {
            throw FileError(
                "protocol \(runProtocol.rawValue) without images: name CIFAR-10's folder by --data or BCGD_DATA, or say --dataset "
                    + "fashion-mnist to train on that")
        }
    }

    func load() throws -> any Dataset { try load(dataset) }

    /// Whether a folder was named where this data set is looked for.
    func holds(_ known: KnownDataset) -> Bool {
        known == .fashionMNIST ? FileManager.default.fileExists(atPath: FashionMNIST.debianFolder) : folder != nil && known != .imageNet
    }

    func load(_ known: KnownDataset, allowUnofficial: Bool = false) throws -> any Dataset {
        try known.load(
            DatasetFiles(folder: known == .fashionMNIST ? nil : folder, allowUnofficial: allowUnofficialData || allowUnofficial))
    }

    /// The data set that a run was trained on, its validation images set aside.
    /// - Parameter path: of the run's checkpoint, for messages.
    func load(for run: RunDescription, of path: String, _ imageNet: ImageNetOptions, needsTraining: Bool) throws -> any Dataset {
        let known = asked ?? DatasetID(run.dataset).known ?? dataset
        if DatasetID(run.dataset).known != .imageNet, let option = imageNet.given(besidesWorkers: true) {
            throw FileError("\(option) is for ImageNet, and \(path) was trained on \(run.dataset): leave it out")
        }
        if known == .imageNet, allowUnofficialData {
            throw FileError("\(path) was trained on \(run.dataset), whose files have no checksums: leave --allow-unofficial-data out")
        }
        let validation = run.recipe.validationImages
        let whole: any Dataset =
            known == .imageNet ? try imageNet.load(data, needsTraining: needsTraining || validation > 0) : try load(known)
        let dataset = whole.settingAside(validation)
        guard run.dataset == dataset.name else { throw FileError("\(path) was trained on \(run.dataset), not on \(dataset.name)") }
        return dataset
    }
}

/// Where the recipes are.
struct ExperimentOptions: ParsableArguments {
    @Option(
        name: .customLong("protocol"),
        help: "How long to train: smoke (minutes), brief, short (small parts of the published schedule) or paper (all of it).")
    var runProtocol = RunProtocol.smoke

    @OptionGroup var recipes: RecipeOptions

    var folder: ExperimentFolder { recipes.folder }
    func cells(_ subject: Subject) throws -> ExperimentCells { try folder.cells(subject, runProtocol) }
}

/// A comma-separated list.
func split(_ list: String) -> [String] {
    list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}

/// The value of an environment variable; an empty one counts as none.
func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
}
