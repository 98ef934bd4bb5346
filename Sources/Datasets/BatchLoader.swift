// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// One mini-batch, valid until the loader's following `next`, `start` or `stop`.
public struct Batch {
    /// The position in the epoch, from 0.
    public let index: Int
    /// The number of images: the batch size, or less in an epoch's last batch.
    public let count: Int
    /// Normalised f32 `[count, H, W, C]`, aligned to 64 bytes.
    public let images: UnsafePointer<Float>
    /// Class indices `[count]`.
    public let labels: UnsafePointer<Int32>
}

/// Prepares mini-batches on background threads: shuffles, augments and normalises.
///
/// What a batch holds depends on seed, epoch and batch index alone, not on the number of workers or on where in
/// the epoch the loader started. The loader itself belongs to one thread.
public final class BatchLoader {
    public let split: ImageSplit
    public let batchSize: Int
    /// Batches in an epoch, a smaller last one included.
    public var batchesPerEpoch: Int { (split.count + batchSize - 1) / batchSize }
    /// Seconds that `next` has waited for workers since the loader was made: the consumer's starvation.
    public private(set) var waitSeconds = 0.0

    private let seed: UInt64
    private let augmentation: Augmentation?
    private let shuffled: Bool
    private let workers: Int
    private let table: [Float]
    private let slots: [BatchSlot]
    private var queue: BatchQueue?
    private var current = 0

    /// - Parameters:
    ///   - augmentation: nil for evaluation.
    ///   - workers: background threads.
    ///   - depth: batches kept ready ahead of the consumer.
    public init(
        split: ImageSplit, batchSize: Int, seed: UInt64, augmentation: Augmentation? = nil, shuffled: Bool,
        workers: Int = 1, depth: Int = 4
    ) {
        precondition(batchSize > 0 && workers > 0 && depth > 0, "batch size, workers and depth are at least 1")
        (self.split, self.batchSize, self.seed) = (split, batchSize, seed)
        (self.augmentation, self.shuffled, self.workers) = (augmentation, shuffled, workers)
        table = split.normalization.table
        // One slot more than the depth: the one the consumer holds.
        slots = (0...depth).map { _ in BatchSlot(images: batchSize * split.imageSize, labels: batchSize) }
    }

    deinit { stop() }

    /// Begins to prepare an epoch's batches from `firstBatch` on; an epoch under way is abandoned.
    public func start(epoch: Int, firstBatch: Int = 0) {
        precondition((0...batchesPerEpoch).contains(firstBatch), "the first batch lies in the epoch")
        stop()
        let source = BatchSource(
            split: split, batchSize: batchSize, seed: seed, augmentation: augmentation, table: table, epoch: epoch,
            order: shuffled ? shuffledOrder(count: split.count, seed: seed, epoch: epoch) : nil)
        let queue = BatchQueue(batches: firstBatch..<batchesPerEpoch, slots: slots.count, workers: workers)
        let slots = slots
        for _ in 0..<workers {
            let thread = Thread {
                while let index = queue.claim() {
                    source.fill(slots[index % slots.count], batch: index)
                    queue.publish(index)
                }
                queue.workerEnded()
            }
            thread.name = "batch loader"
            thread.start()
        }
        (self.queue, current) = (queue, firstBatch)
    }

    /// The epoch's next batch, or nil after its last one; waits until the batch is ready.
    public func next() -> Batch? {
        guard let queue else { preconditionFailure("BatchLoader.next before start") }
        guard current < batchesPerEpoch else { return nil }
        let index = current
        current += 1
        waitSeconds += queue.take(index)
        let slot = slots[index % slots.count]
        return Batch(
            index: index, count: min(batchSize, split.count - index * batchSize), images: UnsafePointer(slot.images),
            labels: UnsafePointer(slot.labels))
    }

    /// Abandons the epoch and waits until the workers have ended: no longer than one batch takes.
    public func stop() {
        queue?.stop()
        queue = nil
    }
}

/// Where one batch is written. The queue hands it to one thread at a time.
private final class BatchSlot: @unchecked Sendable {
    let images: UnsafeMutablePointer<Float>
    let labels: UnsafeMutablePointer<Int32>

    init(images count: Int, labels labelCount: Int) {
        images = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
            .bindMemory(to: Float.self, capacity: max(count, 1))
        labels = .allocate(capacity: labelCount)
    }

    deinit {
        UnsafeMutableRawPointer(images).deallocate()
        labels.deallocate()
    }
}

/// What the batches of one epoch are made from.
private struct BatchSource: Sendable {
    let split: ImageSplit
    let batchSize: Int
    let seed: UInt64
    let augmentation: Augmentation?
    let table: [Float]
    let epoch: Int
    /// nil: the split's own order.
    let order: [Int32]?

    func fill(_ slot: BatchSlot, batch: Int) {
        let first = batch * batchSize
        let size = split.imageSize
        split.images.withUnsafeBufferPointer { bytes in
            table.withUnsafeBufferPointer { table in
                guard let bytes = bytes.baseAddress, let table = table.baseAddress else { return }
                for position in first..<min(first + batchSize, split.count) {
                    let image = order.map { Int($0[position]) } ?? position
                    let placement = augmentation?.placement(seed: seed, epoch: epoch, image: image) ?? .identity
                    placement.write(
                        bytes + image * size, height: split.height, width: split.width, channels: split.channels,
                        table: table, to: slot.images + (position - first) * size)
                    slot.labels[position - first] = Int32(split.labels[image])
                }
            }
        }
    }
}

/// Orders the workers of one epoch: batch `i` is written into slot `i mod slots` after batch `i − slots` has been
/// given back, and taken by the consumer in turn.
private final class BatchQueue: @unchecked Sendable {
    private let condition = NSCondition()
    private let batches: Range<Int>
    private let slots: Int
    private var nextToClaim: Int
    /// The batch the consumer holds or waits for; all before it have been given back.
    private var taken: Int
    /// The batch ready in each slot, −1 for none.
    private var ready: [Int]
    private var running: Int
    private var isStopped = false

    init(batches: Range<Int>, slots: Int, workers: Int) {
        (self.batches, self.slots, running) = (batches, slots, workers)
        (nextToClaim, taken) = (batches.lowerBound, batches.lowerBound)
        ready = Array(repeating: -1, count: slots)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }

    /// The next batch to write, once its slot is free; nil when there is none left.
    func claim() -> Int? {
        locked {
            while !isStopped && nextToClaim < batches.upperBound && nextToClaim >= taken + slots { condition.wait() }
            guard !isStopped, nextToClaim < batches.upperBound else { return nil }
            nextToClaim += 1
            return nextToClaim - 1
        }
    }

    func publish(_ batch: Int) {
        locked {
            ready[batch % slots] = batch
            condition.broadcast()
        }
    }

    /// Gives back all batches before this one and waits for it; returns the seconds waited.
    func take(_ batch: Int) -> Double {
        locked {
            taken = batch
            condition.broadcast()
            guard ready[batch % slots] != batch else { return 0 }
            let start = ContinuousClock.now
            while ready[batch % slots] != batch { condition.wait() }
            return (ContinuousClock.now - start) / .seconds(1)
        }
    }

    func workerEnded() {
        locked {
            running -= 1
            condition.broadcast()
        }
    }

    func stop() {
        locked {
            isStopped = true
            condition.broadcast()
            while running > 0 { condition.wait() }
        }
    }
}
