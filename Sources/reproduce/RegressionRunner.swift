// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import BuildFacts
import Datasets
import Files
import Foundation
import Reporting
import Training

/// Trains the runs of a regression plan.
struct RegressionRunner {
    let plan: RegressionPlan
    let threads: Int
    let stop: StopRequest
    let commit = BuildFacts.commit

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
        guard let values else { throw ExitCode(stop.exitStatus) }
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
        let numbers = [verdict.value, verdict.interval?.low, verdict.interval?.high, verdict.statisticT, verdict.pValue]
        return [new[0].dataset, facts.precision, verdict.statistic, verdict.outcome.rawValue]
            + numbers.map { $0.map { String(format: "%.6g", $0) } ?? "" }
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
