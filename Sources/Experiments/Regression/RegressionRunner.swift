// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting
import Training

/// Trains the runs of a regression plan.
public struct RegressionRunner {
    public let plan: RegressionPlan
    public let threads: Int
    public let invocation: Invocation
    public let stop: StopRequest

    public init(plan: RegressionPlan, threads: Int, invocation: Invocation, stop: StopRequest) {
        (self.plan, self.threads, self.invocation, self.stop) = (plan, threads, invocation, stop)
    }

    /// One seed. Training that diverges comes to no numbers, which is a regression and nothing to record.
    /// - Returns: `nil` when somebody asked to stop.
    func sample(_ images: ImageDataset, _ precision: Precision, seed: UInt64) throws -> RegressionSample? {
        let start = ContinuousClock.now
        let label = "\(images.name) \(precision.rawValue) seed \(seed)"
        let values: [Double]?
        do {
            values = try plan.measure(images, seed: seed, precision: precision, threads: threads, stop: stop) { run in
                observer("\(label) \(run.name)", run, images)
            }
        } catch let error as DivergenceError {
            note("\(label): \(error)")
            values = plan.statistics.map { _ in .nan }
        }
        guard let values else { return nil }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        note(String(format: "%@: %.1f s", label, seconds))
        return RegressionSample(
            dataset: images.id, precision: precision, seed: seed, dataChecksum: images.checksum,
            provenance: RunProvenance(
                seconds: seconds, threads: threads, commit: invocation.commit, recipe: plan.recipeName, recipeDigest: plan.digest,
                dataOrigin: .init(images), how: invocation.command),
            values: values)
    }

    func observer(_ label: String, _ run: RegressionPlan.Run, _ images: ImageDataset) -> some TrainingObserver {
        StepObserver(label: label, epochs: run.recipe.epochs, images: images.train.count)
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
