// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Reporting
import Statistics

extension DatasetID {
    /// The images that runs on it are evaluated on, in a word: ImageNet has published no labels of its test images.
    var evaluatedImages: String { known == .imageNet || validationImages > 0 ? "validation" : "test" }
}

/// What the runs of one section of a table have in common: only such may stand side by side.
public struct Section: Hashable, Sendable {
    public let dataset: DatasetID
    public let origin: RunProvenance.DataOrigin
    public let runProtocol: RunProtocol

    public init(_ run: RunRow) {
        (dataset, origin, runProtocol) = (run.condition.dataset, run.provenance.dataOrigin, run.condition.runProtocol)
    }

    /// The sections of the runs, in order of appearance, those of one data set together.
    public static func all(of runs: [RunRow]) -> [Section] {
        let datasets = runs.map(\.condition.dataset).uniqued()
        let sections = runs.map(Section.init).uniqued()
        return datasets.flatMap { dataset in sections.filter { $0.dataset == dataset } }
    }

    /// Such as `CIFAR-10 (unofficial files), protocol brief`.
    public var title: String { "\(dataset)\(origin == .official ? "" : " (unofficial files)"), protocol \(runProtocol.rawValue)" }
    /// For file names, such as `cifar-10-brief-unofficial`.
    public var slug: String { "\(dataset.slug)-\(runProtocol.rawValue)\(origin == .official ? "" : "-unofficial")" }
}

/// Runs of one condition that differ by nothing but the seed: only these share a mean.
public struct RunGroup: Equatable, Sendable {
    /// By ascending seed, each seed once.
    public let runs: [RunRow]
    /// What they are evaluated on, such as `10000 test images`.
    var images: String { "\(first.testImages) \(first.condition.dataset.evaluatedImages) images" }

    private struct Key: Hashable {
        let condition: Condition
        let section: Section
        let epochs, testImages: Int
        let recipe, digest: String

        init(_ run: RunRow) {
            (condition, section, epochs, testImages) = (run.condition, Section(run), run.epochs, run.testImages)
            (recipe, digest) = (run.provenance.recipe, run.provenance.recipeDigest)
        }
    }

    /// All groups, in the order in which their first runs appear.
    public static func all(of runs: [RunRow]) -> [RunGroup] {
        let groups = Dictionary(grouping: runs, by: Key.init)
        let order = runs.map(Key.init).uniqued()
        return order.map { RunGroup(runs: (groups[$0] ?? []).sorted { $0.seed < $1.seed }) }
    }

    /// Any of the runs, for what they have in common.
    public var first: RunRow { runs[0] }
    public var seeds: [UInt64] { runs.map(\.seed) }
    public var condition: Condition { first.condition }
    public var precision: Precision { condition.precision }

    /// Counted from 1; nil for runs that came to their end.
    public var divergedEpoch: Int? { first.divergedEpoch }
    /// Mean top-1 after each run's best epoch on the test images; nil unless every run has it.
    public var meanBest: Double? {
        let best = runs.compactMap(\.top1Best)
        return best.count == runs.count ? best.reduce(0, +) / Double(best.count) : nil
    }
    /// Mean training loss of the last epoch, in nats; nil unless every run has it.
    public var meanTrainLoss: Double? {
        let losses = runs.compactMap(\.trainLoss)
        return losses.count == runs.count ? losses.reduce(0, +) / Double(losses.count) : nil
    }
    /// False for given weights, which are the same network with every seed.
    public var isTrained: Bool { first.epochs > 0 || divergedEpoch != nil }

    /// Mean top-1 after the last epoch over the seeds, and its 95 % interval, in percent: Student's over seeds, cut off at 0 and
    /// 100, or for one network the exact binomial one over test images; no interval where all seeds have the same accuracy. Nil
    /// for runs that diverged.
    public var top1: (mean: Double, interval: Interval?)? {
        overSeeds(runs.compactMap(\.top1))
    }
    /// Top-5 likewise; nil unless every run has it.
    public var top5: (mean: Double, interval: Interval?)? { overSeeds(runs.compactMap(\.top5)) }

    /// The mean top-1 minus the reported number, in points, with the mean's interval moved likewise.
    public var difference: (value: Double, interval: Interval?)? {
        guard let top1, let reported = first.reported else { return nil }
        return (top1.mean - reported, top1.interval.map { Interval(low: $0.low - reported, high: $0.high - reported) })
    }

    private func overSeeds(_ percent: [Percent]) -> (mean: Double, interval: Interval?)? {
        guard percent.count == runs.count else { return nil }
        guard runs.count > 1, isTrained else { return (percent[0].value, percent[0].interval) }
        let (mean, interval) = studentInterval(percent.map(\.value))
        return (mean, interval.map { Interval(low: max(0, $0.low), high: min(100, $0.high)) })
    }
}
