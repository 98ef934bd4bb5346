// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Compute
import Foundation

/// What one batch came to.
public struct BatchOutcome: Equatable, Sendable {
    /// Sum over the batch of the loss, in nats.
    public var lossSum = 0.0
    /// Images whose label has the highest score, and whose label is among the five highest.
    public var top1 = 0, top5 = 0
    public var count = 0

    public init() {}

    public static func += (a: inout BatchOutcome, b: BatchOutcome) {
        a.lossSum += b.lossSum
        (a.top1, a.top5, a.count) = (a.top1 + b.top1, a.top5 + b.top5, a.count + b.count)
    }
}

/// Softmax cross-entropy, mean over the batch `N`: scores `z [N, C]`, labels in `0..<C`:
///
///     ℓ = −(1/N) Σ_n log p[n, label],   p = softmax(z),   dz = (p − onehot)/N
///
/// With label smoothing ε (Szegedy et al., arXiv 1512.00567, section 7) the target is t = (1 − ε)·onehot + ε/C, and
/// ℓ = −(1/N) Σ_n Σ_c t[c] log p[n, c],   dz = (p − t)/N.
///
/// A label's rank counts the scores above it, and equal scores of lower index: as an arg-max that takes the first.
/// Scores that are not finite count as wrong, and `notFinite` says that there were any: they are no prediction.
public final class SoftmaxCrossEntropy {
    public let gradient: Tensor
    /// Of the last call, per image of this rank: whether the label had the highest score.
    public private(set) var correct: [Bool]
    /// Of the last call: the first image of this rank that has a score which is not finite.
    public private(set) var notFinite: Int?
    private let classes: Int
    private let shards: Shards

    public init(classes: Int, in context: ExecutionContext) {
        (self.classes, shards) = (classes, context.shards)
        gradient = Tensor([context.batch, 1, 1, classes])
        correct = Array(repeating: false, count: context.batch)
    }

    /// - Parameters:
    ///   - scores: of this rank's images.
    ///   - labels: of the same images, each below the number of classes.
    ///   - batch: images of the mini-batch, on all ranks.
    ///   - smoothing: ε, in [0, 1).
    /// - Returns: of this rank's images (`Shards.total`).
    public func callAsFunction(_ scores: Tensor, labels: UnsafePointer<Int32>, batch: Int, smoothing: Float = 0) -> BatchOutcome {
        shards.begin(images: batch)
        notFinite = nil
        var outcomes = shards.own.map { _ in BatchOutcome() }
        balancedTree(outcomes.indices) { shard in
            outcomes[shard] = outcome(scores, labels, images: shards.own[shard], batch: batch, smoothing: Double(smoothing))
        } combine: {
            outcomes[$0] += outcomes[$1]
        }
        return outcomes[0]
    }

    private func outcome(_ scores: Tensor, _ labels: UnsafePointer<Int32>, images: Range<Int>, batch: Int, smoothing: Double)
        -> BatchOutcome
    {
        let share = smoothing / Double(classes)
        var outcome = BatchOutcome()
        outcome.count = images.count
        for n in images {
            let z = UnsafeBufferPointer(start: scores.pointer + n * classes, count: classes)
            let (label, dz) = (Int(labels[n]), gradient.pointer + n * classes)
            precondition((0..<classes).contains(label), "label \(label) of \(classes) classes")
            let largest = Double(z.max() ?? 0)
            let total = z.reduce(0) { $0 + exp(Double($1) - largest) }
            outcome.lossSum += log(total) + largest - (1 - smoothing) * Double(z[label])
            if smoothing > 0 { outcome.lossSum -= share * z.reduce(0) { $0 + Double($1) } }
            for c in 0..<classes {
                let p = exp(Double(z[c]) - largest) / total
                dz[c] = Float((p - (c == label ? 1 - smoothing : 0) - share) / Double(batch))
            }
            let rank = z.indices.count { z[$0] > z[label] || (z[$0] == z[label] && $0 < label) }
            let isUsable = z.allSatisfy(\.isFinite)
            if !isUsable { notFinite = notFinite ?? n }
            correct[n] = isUsable && rank < 1
            outcome.top1 += correct[n] ? 1 : 0
            outcome.top5 += isUsable && rank < 5 ? 1 : 0
        }
        return outcome
    }
}
