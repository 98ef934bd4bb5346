// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets

extension Trainer {
    /// Replaces the running statistics of batch norm by the means of the batch statistics, with the weights as they are, over the first
    /// mini-batches of an epoch of training images (Ioffe & Szegedy, arXiv 1502.03167, algorithm 2, lines 7 to 11): always the same images,
    /// so that a second evaluation sees the same statistics. Training goes on as if nothing had happened, as it does not use them; no epoch
    /// is under way meanwhile.
    func reestimateStatistics() throws {
        let statistics = network.statistics.map(\.tensor)
        var sums = statistics.map { [Double](repeating: 0, count: $0.count) }, batches = 0
        loader.start(epoch: 0)
        defer { loader.stop() }
        while batches * run.recipe.batchSize < run.recipe.batchNormImages, let batch = try loader.next() {
            for tensor in statistics { tensor.fill(0) }
            copy(batch)
            _ = try network.forward(images, batch: batch.count, mode: .training)
            // From 0, a pass leaves `runningRate` times the batch's own.
            for (k, tensor) in statistics.enumerated() {
                for c in 0..<tensor.count { sums[k][c] += Double(tensor.pointer[c]) / Double(BatchNorm.runningRate) }
            }
            batches += 1
        }
        for (tensor, sum) in zip(statistics, sums) { tensor.set(sum.map { Float($0 / Double(batches)) }) }
    }
}
