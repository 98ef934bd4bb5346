// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Testing

@Suite(.serialized) struct BatchLoaderTests {
    struct Copy: Equatable {
        var index: Int
        var labels: [Int32]
        var images: [UInt32]
    }

    func copy(_ batch: Batch, _ split: any ImageSource) -> Copy {
        Copy(
            index: batch.index, labels: Array(UnsafeBufferPointer(start: batch.labels, count: batch.count)),
            images: UnsafeBufferPointer(start: batch.images, count: batch.count * split.imageSize).map(\.bitPattern))
    }

    func epoch(_ loader: BatchLoader, _ epoch: Int, from first: Int = 0) throws -> [Copy] {
        loader.start(epoch: epoch, firstBatch: first)
        var copies: [Copy] = []
        while let batch = try loader.next() { copies.append(copy(batch, loader.split)) }
        return copies
    }

    /// The same epoch by the plain reference.
    func expected(
        _ split: ImageSplit, _ batchSize: Int, _ epoch: Int, _ augmentation: Augmentation?, _ order: [Int32], padding: Int = 0
    ) -> [Copy] {
        stride(from: 0, to: split.count, by: batchSize).map { start in
            let images = order[start..<min(start + batchSize, order.count)].map(Int.init)
            return Copy(
                index: start / batchSize, labels: images.map { Int32(split.labels[$0]) },
                images: images.flatMap { image in
                    let placement = augmentation?.placement(seed: 3, epoch: epoch, image: image) ?? .identity
                    return reference(split, image: image, placement, padding: padding).map(\.bitPattern)
                })
        }
    }

    /// 45 images in batches of 8: the last holds 5.
    @Test(arguments: [(3, 4), (1, 4), (2, 4), (3, 15)])  // padding 15: the window may miss the image
    func batchesEqualTheReferenceWhateverTheWorkers(channels: Int, padding: Int) throws {
        let split = syntheticSplit(count: 45, height: 11, width: 13, channels: channels)
        let augmentation = Augmentation(padding: padding)
        let order = shuffledOrder(count: 45, seed: 3, epoch: 7)
        let expected = expected(split, 8, 7, augmentation, order, padding: padding)
        #expect(expected.map(\.labels.count) == [8, 8, 8, 8, 8, 5])
        for (workers, depth) in [(1, 1), (1, 4), (2, 1), (3, 2), (8, 3)] {
            let loader = BatchLoader(
                split: split, batchSize: 8, seed: 3, augmentation: augmentation, shuffled: true, workers: workers,
                depth: depth)
            #expect(try epoch(loader, 7) == expected)
            #expect(try epoch(loader, 8) != expected)
            #expect(try epoch(loader, 7, from: 4) == Array(expected[4...]))
            #expect(try epoch(loader, 7, from: 6).isEmpty && loader.next() == nil)
        }
    }

    /// A batch of 10 in 4 places each of 4 shards: the last shard has 12..<16, beyond the batch, and reads nothing of the next one.
    @Test func placesBeyondTheBatchReadNothing() throws {
        let split = syntheticSplit(count: 45, height: 3, width: 3, channels: 1)
        for (places, read) in [(8..<16, 2), (0..<16, 10), (12..<16, 0)] {
            let loader = BatchLoader(split: split, batchSize: 10, places: places, seed: 3, shuffled: false)
            loader.start(epoch: 0)
            while try loader.next() != nil {}
            // Four whole batches, and one of five images.
            #expect(loader.work.images == 4 * read + max(0, min(5, places.upperBound) - places.lowerBound))
        }
    }

    @Test func evaluationKeepsOrderAndPixels() throws {
        let split = syntheticSplit(count: 20)
        let loader = BatchLoader(split: split, batchSize: 6, seed: 3, shuffled: false, workers: 2)
        #expect(try epoch(loader, 0) == expected(split, 6, 0, nil, Array(0..<20)))
        #expect(try epoch(loader, 1) == epoch(loader, 0))
    }

    @Test func heldBatchIsNotOverwritten() throws {
        let split = syntheticSplit(count: 64)
        let loader = BatchLoader(split: split, batchSize: 4, seed: 3, shuffled: true, workers: 2, depth: 2)
        let expected = expected(split, 4, 0, nil, shuffledOrder(count: 64, seed: 3, epoch: 0))
        loader.start(epoch: 0)
        while let batch = try loader.next() {
            usleep(3000)  // the workers fill every free slot meanwhile
            #expect(copy(batch, split) == expected[batch.index])
        }
    }

    /// On a thread of its own, because a time limit cannot end a test that blocks.
    @Test func earlyStopsNeverHang() {
        let split = syntheticSplit(count: 40)
        let finished = DispatchSemaphore(value: 0)
        Thread {
            for round in 0..<300 {
                let loader = BatchLoader(
                    split: split, batchSize: 3, seed: 3, shuffled: true, workers: 1 + round % 4, depth: 1 + round % 3)
                loader.start(epoch: 0)
                for _ in 0..<round % 5 { _ = try? loader.next() }
                if round % 2 == 0 { loader.stop() }
                if round % 3 == 0 {
                    loader.start(epoch: 1, firstBatch: round % 14)
                    _ = try? loader.next()
                }
            }
            finished.signal()
        }.start()
        #expect(finished.wait(timeout: .now() + 20) == .success)
    }

    /// A source of one's own may say anything: a label beyond the classes is told, on the worker's thread, and ends nothing.
    @Test func labelsNameClasses() throws {
        let split = syntheticSplit(count: 45), classes = Int(split.labels.max() ?? 0)
        let first = try #require(split.labels.firstIndex { Int($0) == classes })
        let loader = BatchLoader(split: split, batchSize: 45, seed: 3, shuffled: false, classes: classes)
        loader.start(epoch: 0)
        let error = #expect(throws: FileError.self) { try loader.next() }
        #expect(error?.description.hasPrefix("image \(first) of a split has label \(classes), expected 0 to \(classes - 1)") == true)
    }

    /// A consumer without work of its own waits; one that takes 4 ms a batch finds it ready.
    @Test func waitingTimeShowsStarvation() throws {
        let split = syntheticSplit(count: 128 * 30)
        func waitingShare(work: useconds_t) throws -> Double {
            let loader = BatchLoader(
                split: split, batchSize: 128, seed: 3, augmentation: Augmentation(), shuffled: true, workers: 1)
            loader.start(epoch: 0)
            let elapsed = try ContinuousClock().measure { while try loader.next() != nil { if work > 0 { usleep(work) } } }
            return loader.waitSeconds / (elapsed / .seconds(1))
        }
        let (starved, fed) = (try waitingShare(work: 0), try waitingShare(work: 4000))
        #expect(starved <= 1 && fed < starved, "\(starved), \(fed)")
    }
}
