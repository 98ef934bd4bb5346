// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// One mini-batch, valid until the loader's following `next`, `start` or `stop`.
public struct Batch {
    /// The position in the epoch, from 0.
    public let index: Int
    /// The number of images: the batch size, or less in an epoch's last batch.
    public let count: Int
    /// Of these, the images that are here: those at the loader's places.
    public let here: Int
    /// Normalised f32 `[here, H, W, C]`, aligned to 64 bytes.
    public let images: UnsafePointer<Float>
    /// Class indices `[here]`.
    public let labels: UnsafePointer<Int32>
    /// Images here that stand in for others which cannot be read.
    public let replaced: Int
}

/// Prepares mini-batches on background threads: shuffles, reads, augments and normalises.
///
/// What a batch holds depends on seed, epoch, batch index and the source alone, not on the number of workers or on where in
/// the epoch the loader started. The loader itself belongs to one thread.
public final class BatchLoader {
    public let split: any ImageSource
    public let batchSize: Int
    /// Batches in an epoch, a smaller last one included.
    public var batchesPerEpoch: Int { (split.count + batchSize - 1) / batchSize }
    /// Seconds that `next` has waited for workers since the loader was made: the consumer's starvation.
    public private(set) var waitSeconds = 0.0
    /// What the workers have done for the batches taken so far.
    public private(set) var work = LoaderWork()
    /// Of the batches kept ready and the one in use.
    public var bytesHeld: Int { slots.count * places.count * (split.imageSize + 1) * 4 }

    /// Batches kept ready ahead of the consumer, where nothing else is asked.
    public static let depth = 4

    private let places: Range<Int>
    private let seed: UInt64
    private let augmentation: Augmentation?
    private let shuffled: Bool
    private let classes: Int
    private let workers: Int
    private let slots: [BatchSlot]
    private var queue: BatchQueue?
    private var current = 0

    /// - Parameters:
    ///   - split: the images.
    ///   - batchSize: images of a batch, 1 or more; of the last one perhaps fewer.
    ///   - places: of each batch, the images to prepare, from 0; nil for all.
    ///   - seed: of the order and the augmentation.
    ///   - augmentation: nil for evaluation.
    ///   - shuffled: in another order in every epoch; else in the split's.
    ///   - classes: that labels may name, from 0.
    ///   - workers: background threads.
    ///   - depth: batches kept ready ahead of the consumer.
    public init(
        split: any ImageSource, batchSize: Int, places: Range<Int>? = nil, seed: UInt64, augmentation: Augmentation? = nil, shuffled: Bool,
        classes: Int = .max, workers: Int = 1, depth: Int = BatchLoader.depth
    ) {
        precondition(batchSize > 0 && workers > 0 && depth > 0, "batch size, workers and depth are at least 1")
        (self.split, self.batchSize, self.seed) = (split, batchSize, seed)
        let places = places ?? 0..<batchSize
        self.places = places
        (self.augmentation, self.shuffled, self.classes, self.workers) = (augmentation, shuffled, classes, workers)
        // One slot more than the depth: the one the consumer holds.
        slots = (0...depth).map { _ in BatchSlot(images: places.count * split.imageSize, labels: places.count) }
    }

    deinit { stop() }

    /// Begins to prepare an epoch's batches from `firstBatch` on; an epoch under way is abandoned.
    public func start(epoch: Int, firstBatch: Int = 0) {
        precondition((0...batchesPerEpoch).contains(firstBatch), "the first batch lies in the epoch")
        stop()
        let source = BatchSource(
            split: split, batchSize: batchSize, places: places, epoch: epoch, classes: classes,
            order: shuffled ? shuffledOrder(count: split.count, seed: seed, epoch: epoch) : nil)
        let queue = BatchQueue(batches: firstBatch..<batchesPerEpoch, slots: slots.count, workers: workers)
        let (slots, split, augmentation, seed) = (slots, split, augmentation, seed)
        let work: @Sendable () -> Void = {
            do {
                let reader = try split.reader(augmentation: augmentation, seed: seed)
                while let index = queue.claim() {
                    try source.fill(slots[index % slots.count], batch: index, reader)
                    queue.publish(index)
                }
            } catch { queue.fail(error) }
            queue.workerEnded()
        }
        for worker in 0..<workers {
            do { try startThread("batch loader", work) } catch {
                // With fewer workers the batches are the same.
                if worker == 0 { queue.fail(error) }
                for _ in worker..<workers { queue.workerEnded() }
                break
            }
        }
        (self.queue, current) = (queue, firstBatch)
    }

    /// The epoch's next batch, or nil after its last one; waits until the batch is ready.
    /// - Throws: what a worker ran into; `FileError` for a label that names no class.
    public func next() throws -> Batch? {
        guard let queue else { preconditionFailure("BatchLoader.next before start") }
        guard current < batchesPerEpoch else { return nil }
        let index = current
        current += 1
        waitSeconds += try queue.take(index)
        let slot = slots[index % slots.count]
        let count = min(batchSize, split.count - index * batchSize)
        work += slot.work
        return Batch(
            index: index, count: count, here: places.clamped(to: 0..<count).count, images: UnsafePointer(slot.images),
            labels: UnsafePointer(slot.labels), replaced: slot.work.replaced)
    }

    /// Abandons the epoch and waits until the workers have ended: no longer than one batch takes.
    public func stop() {
        queue?.stop()
        queue = nil
    }
}

/// What workers have done.
public struct LoaderWork: Sendable, Equatable {
    public var images = 0
    /// Images that stood in for others which could not be read.
    public var replaced = 0
    /// Read from files.
    public var bytes = 0
    /// Worker threads' time, reading included.
    public var seconds = 0.0

    public init() {}

    public static func += (a: inout LoaderWork, b: LoaderWork) {
        (a.images, a.replaced, a.bytes, a.seconds) = (
            a.images + b.images, a.replaced + b.replaced, a.bytes + b.bytes, a.seconds + b.seconds
        )
    }
}

/// Where one batch is written. The queue hands it to one thread at a time.
private final class BatchSlot: @unchecked Sendable {
    let images: UnsafeMutablePointer<Float>
    let labels: UnsafeMutablePointer<Int32>
    var work = LoaderWork()

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
    let split: any ImageSource
    let batchSize: Int
    let places: Range<Int>
    let epoch: Int
    let classes: Int
    /// nil: the split's own order.
    let order: [Int32]?

    func fill(_ slot: BatchSlot, batch: Int, _ reader: any ImageReader) throws {
        let (first, size, start) = (batch * batchSize + places.lowerBound, split.imageSize, ContinuousClock.now)
        var work = LoaderWork()
        // The last shard's places may go beyond the batch.
        let end = min(batch * batchSize + min(places.upperBound, batchSize), split.count)
        for position in min(first, end)..<end {
            let image = order.map { Int($0[position]) } ?? position
            let read = try reader.read(image, epoch: epoch, into: slot.images + (position - first) * size)
            guard (0..<classes).contains(Int(read.label)) else {
                throw FileError("image \(image) of a split has label \(read.label), expected 0 to \(classes - 1), a class' place")
            }
            slot.labels[position - first] = read.label
            (work.images, work.bytes, work.replaced) = (work.images + 1, work.bytes + read.bytes, work.replaced + (read.isReplaced ? 1 : 0))
        }
        work.seconds = (ContinuousClock.now - start) / .seconds(1)
        slot.work = work
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
    private var failure: (any Error)?

    init(batches: Range<Int>, slots: Int, workers: Int) {
        (self.batches, self.slots, running) = (batches, slots, workers)
        (nextToClaim, taken) = (batches.lowerBound, batches.lowerBound)
        ready = Array(repeating: -1, count: slots)
    }

    private func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        condition.lock()
        defer { condition.unlock() }
        return try body()
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

    /// Ends the epoch: whoever waits for a batch gets the first error.
    func fail(_ error: any Error) {
        locked {
            failure = failure ?? error
            isStopped = true
            condition.broadcast()
        }
    }

    func publish(_ batch: Int) {
        locked {
            ready[batch % slots] = batch
            condition.broadcast()
        }
    }

    /// Gives back all batches before this one and waits for it; returns the seconds waited.
    func take(_ batch: Int) throws -> Double {
        try locked {
            taken = batch
            condition.broadcast()
            guard ready[batch % slots] != batch else { return 0 }
            let start = ContinuousClock.now
            while ready[batch % slots] != batch {
                if let failure { throw failure }
                condition.wait()
            }
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
