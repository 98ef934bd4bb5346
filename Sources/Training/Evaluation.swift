// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets

extension Trainer {
    /// The whole test split with running statistics and the quantized weights, also where training runs on relaxed ones.
    /// With `batch_norm_images` it reads training images first, so no epoch may be under way then.
    /// - Returns: the sums, and for each image in the split's order whether its label scored highest.
    /// - Throws: `DivergenceError` naming the first image with a score that is not finite: it has no class.
    public func evaluate() throws -> (total: BatchOutcome, correct: [Bool]) {
        var total = BatchOutcome()
        var correct: [Bool] = []
        descent.useQuantizedWeights()
        if run.recipe.batchNormImages > 0 { try reestimateStatistics() }
        testLoader.start(epoch: 0)
        defer {
            testLoader.stop()
            descent.start(epoch: state.epoch)
        }
        while let batch = try testLoader.next() {
            copy(batch)
            let scores = try network.forward(images, batch: batch.count, mode: .evaluation)
            let (outcome, notFinite, _) = try shards.total(
                loss(scores, labels: batch.labels, batch: batch.count), notFinite: loss.notFinite, replaced: batch.replaced)
            total += outcome
            if let image = notFinite {
                let number = total.count - batch.count + image + 1
                throw DivergenceError(
                    description:
                        "\(run.name): the scores of test image \(number) of \(testImages) are not finite; try a smaller learning rate")
            }
            correct += try shards.all(loss.correct)
        }
        return (total, correct)
    }

    /// Which test images the finished run gets right, in the split's order.
    /// - Throws: `CheckpointError` when the run is not finished, or when they are not as many as after its last epoch.
    public func finalCorrect() throws -> [Bool] {
        guard isFinished, let last = state.curve.last else {
            throw CheckpointError(description: "\(run.name) stands at epoch \(state.epoch) of \(run.recipe.epochs): it is not finished")
        }
        let (total, correct) = try evaluate()
        guard total.top1 == last.testHits, total.count == last.testCount else {
            throw CheckpointError(
                description: "\(run.name) got \(last.testHits) of \(last.testCount) test images right after its last epoch, now "
                    + "\(total.top1) of \(total.count): use the images, the machine and the number of threads that it was trained with")
        }
        return correct
    }
}
