// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Datasets
import Experiments
import Training

struct Regress: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks by small training runs that the numbers are still those of before; fails when they are not.",
        discussion: """
            Trains what Experiments/regress.yaml says, in seconds a seed, on Fashion-MNIST and, where its folder is named, on CIFAR-10. \
            Losses, accuracies, step sizes and weights must lie where the seeds recorded in BASELINE/seeds.csv predict them. \
            Seeds of a check are other ones than those. What quantized runs learn in s16 must be the bits in BASELINE/digests.csv. \
            A check of a correct change fails with probability below 1e-4.
            """)

    enum Images: String, ExpressibleByArgument, CaseIterable {
        case fashionMNIST = "fashion-mnist"
        case cifar10 = "cifar-10"

        var dataset: KnownDataset { self == .cifar10 ? .cifar10 : .fashionMNIST }
    }

    @Option(help: ArgumentHelp("Folder with CIFAR-10's binary version, official or not; also taken from BCGD_DATA.", valueName: "dir"))
    var data: String?

    @Option(help: "Only this data set.")
    var only: Images?

    @Option(
        help:
            "Arithmetic, \(Precision.choice); may be given again (default: f32, and the others where there are kernels for the processor).")
    var precision: [Precision] = []

    @Option(
        help: ArgumentHelp(
            "Seeds a check or a recording takes (default: \(RegressionCheck.standardSeeds), or \(RegressionRecorder.standardSeeds) with "
                + "--record).",
            valueName: "n"))
    var seeds: Int?

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("Folder of the recorded seeds: seeds.csv, and intervals.csv made from it.", valueName: "dir"))
    var baseline = "results/regress"

    @Option(help: ArgumentHelp("Folder for regress.csv, the verdicts (default: none is written).", valueName: "dir"))
    var out: String?

    @OptionGroup var recipes: RecipeOptions

    @Flag(help: "Record the expectations instead of checking them, in place of what is recorded of these data sets and precisions.")
    var record = false

    @Flag(help: "With --record: go on with a recording that was stopped.")
    var resume = false

    func validate() throws {
        let fewest = record ? RegressionTest.fewestSeeds : 1
        if let seeds {
            guard (fewest...1000).contains(seeds) else { throw ValidationError("--seeds must be \(fewest) to 1000, not \(seeds)") }
        }
        if resume && !record { throw ValidationError("--resume is for --record: a check starts anew") }
        if record && out != nil { throw ValidationError("--out is for a check: a recording goes to --baseline") }
        if only == .fashionMNIST && data != nil {
            throw ValidationError("--data plays no part in --only fashion-mnist, which is its Debian package's: leave one of them out")
        }
        if only == .cifar10 && folder == nil { throw ValidationError("--only cifar-10 needs --data or BCGD_DATA") }
    }

    func run() throws {
        let stop = StopRequest()
        let signals = StopSignals(stop)
        defer { withExtendedLifetime(signals) {} }
        let plan = try recipes.folder.regressionPlan()
        let precisions = precision.isEmpty ? Precision.made : Precision.allCases.filter(precision.contains)
        let runner = RegressionRunner(plan: plan, threads: computing.threads.count, invocation: .current, stop: stop)
        let sets = try datasets().map { try plan.images(of: $0) }
        guard record else {
            let check = RegressionCheck(runner, baseline: baseline, seeds: seeds ?? RegressionCheck.standardSeeds)
            guard let isUnchanged = try check.run(sets, precisions, out: out) else { throw ExitCode(stop.exitStatus) }
            if !isUnchanged { throw ExitCode(1) }
            return
        }
        let recorder = RegressionRecorder(runner, folder: baseline), seeds = Array(1...UInt64(seeds ?? RegressionRecorder.standardSeeds))
        for images in sets {
            for precision in precisions where try !recorder.record(images, precision, seeds: seeds, resume: resume) {
                throw ExitCode(stop.exitStatus)
            }
        }
    }

    private var folder: String? { data ?? environment("BCGD_DATA") }

    /// Unofficial files are as good as the others here: the checksum of the images in use must be that of the baseline.
    private func datasets() throws -> [any Dataset] {
        let named = Images.allCases.filter { only == nil || only == $0 }.map(\.dataset)
        return try named.filter { $0 != .cifar10 || folder != nil }.map { set in
            try set.load(DatasetFiles(folder: set == .cifar10 ? folder : nil, allowUnofficial: true))
        }
    }
}
