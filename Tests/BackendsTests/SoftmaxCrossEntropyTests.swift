// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Testing

@Suite struct SoftmaxCrossEntropyTests {
    /// Seven classes, scores and ranks by hand.
    @Test func ranksAreCounted() throws {
        let rows: [(scores: [Float], label: Int32, top1: Int, top5: Int)] = [
            ([7, 6, 5, 4, 3, 2, 1], 0, 1, 1),
            ([7, 6, 5, 4, 3, 2, 1], 4, 0, 1),  // the fifth
            ([7, 6, 5, 4, 3, 2, 1], 5, 0, 0),  // the sixth
            ([1, 1, 1, 1, 1, 1, 1], 0, 1, 1),  // of equal scores the first counts as the highest
            ([1, 1, 1, 1, 1, 1, 1], 5, 0, 0),
            ([.nan, 0, 0, 0, 0, 0, 9], 6, 0, 0),
            ([.infinity, 0, 0, 0, 0, 0, 0], 0, 0, 0)
        ]
        for row in rows {
            let loss = SoftmaxCrossEntropy(classes: 7, in: ExecutionContext(engine: try Engine(threads: 1), batch: 1))
            let scores = Tensor([1, 1, 1, 7])
            for (index, score) in row.scores.enumerated() { scores.pointer[index] = score }
            let outcome = loss(scores, labels: [row.label], batch: 1)
            #expect(outcome.top1 == row.top1 && outcome.top5 == row.top5 && outcome.count == 1 && loss.correct == [row.top1 == 1], "\(row)")
            #expect(loss.notFinite == (row.scores.allSatisfy(\.isFinite) ? nil : 0), "\(row)")
        }
    }

    /// The first of a batch's images without a class is named, and the next batch starts anew; −∞ is no score either.
    @Test func theImageWithoutAClassIsNamed() throws {
        let loss = SoftmaxCrossEntropy(classes: 3, in: ExecutionContext(engine: try Engine(threads: 1), batch: 4))
        let scores = Tensor([4, 1, 1, 3], [0, 1, 2, 0, 1, 2, -.infinity, 0, 0, .nan, 0, 0])
        #expect(loss(scores, labels: [2, 0, 1, 0], batch: 4).top1 == 1 && loss.notFinite == 2)
        #expect(loss(scores, labels: [2, 0], batch: 2).top1 == 1 && loss.notFinite == nil)
    }
}
