// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Files
import Foundation
import Networks
import Reporting
import Training

/// Trains the runs of a regression plan.
struct RegressionRunner {
    let plan: RegressionPlan
    let threads: Int
    let stop: StopRequest
    private let commit = SystemFacts.commit(inFolder: ".")

    init(plan: RegressionPlan, threads: Int, stop: StopRequest) { (self.plan, self.threads, self.stop) = (plan, threads, stop) }

    /// One seed. Training that diverges comes to no numbers, which is a regression and nothing to record.
    /// - Throws: `ExitCode` when somebody asked to stop.
    func sample(_ images: ImageDataset, _ precision: Precision, seed: UInt64) throws -> RegressionSample {
        let start = ContinuousClock.now
        let label = "\(images.name) \(precision.rawValue) seed \(seed)"
        let values: [Double]?
        do {
            values = try plan.measure(images, seed: seed, precision: precision, threads: threads, stop: stop) { run in
                StepObserver(label: "\(label) \(run.name)", epochs: run.recipe.epochs, images: images.train.count)
            }
        } catch let error as DivergenceError {
            note("\(label): \(error)")
            values = plan.statistics.map { _ in .nan }
        }
        guard let values else { throw ExitCode(130) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        note(String(format: "%@: %.1f s", label, seconds))
        return RegressionSample(
            dataset: images.name, seed: seed, dataChecksum: images.checksum,
            provenance: RunProvenance(
                seconds: seconds, threads: threads, precision: precision.rawValue, commit: commit, recipe: plan.recipeName,
                recipeDigest: plan.digest, dataOrigin: images.isOfficial ? .official : .unofficial, how: commandLine()),
            values: values)
    }

    static let columns = [
        "dataset", "precision", "statistic", "verdict", "value", "expected_low", "expected_high", "t", "p", "seeds", "baseline_seeds",
        "data_crc32", "data_origin", "recipe", "recipe_digest", "threads", "commit", "baseline_commit", "how",
    ]

    /// Of the file of verdicts.
    func row(_ verdict: RegressionVerdict, of baseline: [RegressionSample], _ new: [RegressionSample]) -> [String] {
        let facts = new[0].provenance
        let numbers = [verdict.value, verdict.interval.low, verdict.interval.high, verdict.statisticT, verdict.pValue]
        return [new[0].dataset, facts.precision, verdict.statistic, verdict.isRegression ? "regression" : "ok"]
            + numbers.map { String(format: "%.6g", $0) }
            + [
                new.map { "\($0.seed)" }.joined(separator: " "), "\(baseline.count)", new[0].dataChecksum, facts.dataOrigin.rawValue, facts.recipe,
                facts.recipeDigest, "\(facts.threads)", facts.commit, baseline[0].provenance.commit, facts.how,
            ]
    }
}

/// Shows progress within a run.
private struct StepObserver: TrainingObserver {
    private var bar: ProgressBar

    init(label: String, epochs: Int, images: Int) { bar = .onStandardError(label: label, epochs: epochs, imagesPerEpoch: images) }

    mutating func stepped(_ state: TrainingState) {
        bar.update(
            epoch: state.epoch + 1, images: state.images, loss: state.lossSum / Double(state.images),
            accuracy: 100 * Double(state.hits) / Double(state.images))
    }

    mutating func finishedEpoch(_ state: TrainingState) { bar.close() }
}

/// Records seeds one by one: `recording.csv` holds them until all are there, and then they take their place in `seeds.csv`.
struct RegressionRecorder {
    let runner: RegressionRunner
    let folder: String

    private var file: String { "\(folder)/seeds.csv" }
    private var partial: String { "\(folder)/recording.csv" }

    /// - Throws: `FileError` when an unfinished recording is in the way or belongs to another state of the code; `ExitCode` when
    ///   somebody asked to stop.
    func record(_ sets: [ImageDataset], _ precisions: [Precision], seeds: [UInt64], resume: Bool) throws {
        try makeFolder(folder)
        let statistics = runner.plan.statistics
        var recording = try unfinished(resume: resume) ?? RegressionSamples(statistics: statistics)
        do {
            for (images, precision) in sets.flatMap({ images in precisions.map { (images, $0) } }) {
                for seed in seeds where !recording.samples.contains(where: { ($0.dataset, $0.precision, $0.seed) == (images.name, precision.rawValue, seed) }) {
                    let sample = try runner.sample(images, precision, seed: seed)
                    guard sample.values.allSatisfy(\.isFinite) else {
                        throw FileError("\(images.name) in \(precision.rawValue), seed \(seed), has values that are no numbers: nothing to expect from it")
                    }
                    recording.append(sample)
                    try recording.table.write(to: partial)
                }
            }
        } catch let stopped as ExitCode {
            note("stopped; the finished seeds are in \(partial): the same command with --resume goes on")
            throw stopped
        }
        let old = FileManager.default.fileExists(atPath: file) ? try RegressionSamples(contentsOf: file) : recording
        // Of another plan: its numbers mean something else, and its columns may be others.
        let kept = RegressionSamples(
            statistics: statistics,
            samples: old.statistics == statistics ? old.samples.filter { $0.provenance.recipeDigest == runner.plan.digest } : [])
        try kept.replacing(by: recording).table.write(to: file)
        try? FileManager.default.removeItem(atPath: partial)
    }

    private func unfinished(resume: Bool) throws -> RegressionSamples? {
        guard FileManager.default.fileExists(atPath: partial) else { return nil }
        guard resume else { throw FileError("\(partial) holds a recording that was stopped: add --resume to go on with it, or delete it") }
        let recording = try RegressionSamples(contentsOf: partial)
        let commit = SystemFacts.commit(inFolder: ".")
        guard recording.statistics == runner.plan.statistics,
            recording.samples.allSatisfy({ $0.provenance.recipeDigest == runner.plan.digest && $0.provenance.commit == commit })
        else { throw FileError("\(partial) is of another commit or recipe than this one (\(commit), \(runner.plan.digest)): delete it to start again") }
        return recording
    }
}
