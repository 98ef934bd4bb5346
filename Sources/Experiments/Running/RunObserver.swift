// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Reporting
import Training

/// Of the ranks that neither show nor write anything.
struct QuietObserver: TrainingObserver {
    func stepped(_ state: TrainingState) {}
    func finishedEpoch(_ state: TrainingState) {}
}

/// Shows a run's progress and keeps its learning curve on disk.
struct RunObserver: TrainingObserver {
    private var bar: ProgressBar
    private let run: PlannedRun
    private let output: OutputFolder
    private let invocation: Invocation
    private var watch: RunWatch?
    private var hasPage = true
    private let isRecorded: Bool

    /// - Parameters:
    ///   - run: of a table.
    ///   - trainer: of it, about to begin, or to go on.
    ///   - isRecorded: the run has its row, so its curve stays.
    ///   - watch: what else is measured at an epoch's end.
    init(
        _ run: PlannedRun, _ trainer: Trainer, output: OutputFolder, _ invocation: Invocation, isRecorded: Bool, watch: RunWatch? = nil
    ) {
        (self.run, self.output, self.invocation, self.isRecorded, self.watch) = (run, output, invocation, isRecorded, watch)
        let images = trainer.imagesPerEpoch
        bar = .onStandardError(
            label: run.label, epochs: trainer.run.recipe.epochs, imagesPerEpoch: images,
            imagesBefore: trainer.state.epoch * images + trainer.state.images)
    }

    mutating func stepped(_ state: TrainingState) {
        bar.update(
            epoch: state.epoch + 1, images: state.images, loss: state.lossSum / Double(state.images),
            accuracy: 100 * Double(state.hits) / Double(state.images))
    }

    mutating func finishedEpoch(_ state: TrainingState) throws {
        guard let last = state.curve.last else { return }
        bar.endEpoch(
            last.epoch, loss: last.trainLoss, accuracy: last.trainTop1, evaluated: (run.condition.dataset.evaluatedImages, last.testTop1))
        if !isRecorded { try output.write(state.curve, of: run, invocation) }
        try watch?.finishedEpoch(state)
        writePage()
    }

    /// A page that cannot be made is no reason to end a training: rows of others may be damaged, for one.
    private mutating func writePage() {
        guard hasPage else { return }
        do { try ResultsPage.writeLive(output) } catch {
            hasPage = false
            note("\(output.page) is not kept up to date: \(error)")
        }
    }

    mutating func finishedRun(_ state: TrainingState) { watch?.finishedRun(state) }

    mutating func close() { bar.close() }
}
