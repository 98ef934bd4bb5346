// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Datasets
import Files
import Foundation
import Reporting
import Training

struct Regress: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks by small training runs that the numbers are still those of before; fails when they are not.",
        discussion: """
            Trains what Experiments/regress.yaml says, in seconds a seed, on Fashion-MNIST and, where its folder is named, on CIFAR-10. \
            Losses, accuracies, resolutions and weights must lie where the seeds recorded in BASELINE/seeds.csv predict them. \
            Seeds of a check are other ones than those. A check of a correct change fails with probability below 1e-4.
            """)

    enum Images: String, ExpressibleByArgument, CaseIterable {
        case fashionMNIST = "fashion-mnist"
        case cifar10 = "cifar-10"
    }

    @Option(help: ArgumentHelp("Folder with CIFAR-10's binary version, official or not; also taken from BCGD_DATA.", valueName: "dir"))
    var data: String?

    @Option(help: "Only this data set.")
    var only: Images?

    @Option(help: "Arithmetic, f32 or mixed; may be given twice (default: f32, and mixed where the processor is made for it).")
    var precision: [Precision] = []

    @Option(help: ArgumentHelp("Seeds a check or a recording takes (default: \(checkSeeds), or \(recordSeeds) with --record).", valueName: "n"))
    var seeds: Int?

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("Folder of the recorded seeds: seeds.csv, and intervals.csv made from it.", valueName: "dir"))
    var baseline = "results/regress"

    @Option(help: ArgumentHelp("Folder for regress.csv, the verdicts (default: none is written).", valueName: "dir"))
    var out: String?

    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir"))
    var experiments = "Experiments"

    @Flag(help: "Record the expectations instead of checking them, in place of what is recorded of these data sets and precisions.")
    var record = false

    @Flag(help: "With --record: go on with a recording that was stopped.")
    var resume = false

    static let checkSeeds = 3, recordSeeds = 24
    private static let firstCheckSeed: UInt64 = 1001

    func validate() throws {
        let fewest = record ? RegressionTest.fewestSeeds : 1
        if let seeds { guard (fewest...1000).contains(seeds) else { throw ValidationError("--seeds must be \(fewest) to 1000, not \(seeds)") } }
        if resume && !record { throw ValidationError("--resume is for --record: a check starts anew") }
        if only == .cifar10 && folder == nil { throw ValidationError("--only cifar-10 needs --data or BCGD_DATA") }
    }

    func run() throws {
        let plan = try RegressionPlan(folder: experiments)
        let stop = StopRequest()
        let signals = StopSignals(stop)
        defer { withExtendedLifetime(signals) {} }
        let precisions = precision.isEmpty ? (Precision.best == .mixed ? [.f32, .mixed] : [.f32]) : Precision.allCases.filter(precision.contains)
        let runner = RegressionRunner(plan: plan, threads: computing.threads, stop: stop)
        let sets = try images().map { try plan.images(of: $0) }
        let test = RegressionTest(statistics: plan.statistics.count)
        if record {
            let recorder = RegressionRecorder(runner: runner, folder: baseline, test: test, newSeeds: Self.checkSeeds)
            for images in sets {
                for precision in precisions {
                    try recorder.record(images, precision, seeds: Array(1...UInt64(seeds ?? Self.recordSeeds)), resume: resume)
                }
            }
        } else {
            try check(sets, precisions, runner, test)
        }
    }

    private func check(_ sets: [ImageDataset], _ precisions: [Precision], _ runner: RegressionRunner, _ test: RegressionTest) throws {
        let (plan, file) = (runner.plan, "\(baseline)/seeds.csv")
        let recorded = FileManager.default.fileExists(atPath: file) ? try RegressionSamples(contentsOf: file) : RegressionSamples(statistics: plan.statistics)
        let expected = try sets.flatMap { images in
            try precisions.map { precision in
                (images, precision, try recorded.baseline(
                    dataset: images.name, precision: precision.rawValue, statistics: plan.statistics, dataChecksum: images.checksum,
                    recipeDigest: plan.digest))
            }
        }
        if let out { try makeFolder(out) }
        var table = CSVTable(header: RegressionRunner.columns)
        var failed: [String] = []
        for (images, precision, samples) in expected {
            let new = try (0..<UInt64(seeds ?? Self.checkSeeds)).map { try runner.sample(images, precision, seed: Self.firstCheckSeed + $0) }
            for verdict in test.verdicts(plan.statistics, baseline: samples, new: new) {
                say("\(images.name) \(precision.rawValue): \(verdict.line)")
                table.append(runner.row(verdict, of: samples, new))
                if verdict.isRegression { failed.append(verdict.statistic) }
            }
            if let out { try table.write(to: "\(out)/regress.csv") }
        }
        guard failed.isEmpty else {
            say(
                "\(failed.count) of \(table.rows.count) statistics are not what \(file) predicts: behaviour has changed. "
                    + "If that is meant, record anew with `reproduce regress --record`.")
            throw ExitCode(1)
        }
        let tested = table.rows.indices.count { table[$0, "verdict"] != RegressionVerdict.Outcome.notTested.rawValue }
        say("all \(tested) statistics that can be tested lie where \(file) predicts them")
    }

    private var folder: String? { data ?? environment("BCGD_DATA") }

    /// Unofficial files are as good as the others here: the checksum of the images in use must be that of the baseline.
    private func images() throws -> [ImageDataset] {
        try Images.allCases.filter { only == nil || only == $0 }.compactMap { set in
            switch set {
            case .fashionMNIST: try FashionMNIST.load(allowUnofficial: true)
            case .cifar10: try folder.map { try CIFAR10.load(folder: $0, allowUnofficial: true) }
            }
        }
    }
}
