// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import TestSupport
import Testing

/// What the system does not give ends the epoch with an error: neither a wait for ever nor other images.
@Suite(.serialized) struct LackTests {
    @Test(arguments: [1, 3]) func withoutThreadsTheEpochEnds(workers: Int) throws {
        let loader = BatchLoader(split: syntheticSplit(count: 20, channels: 3), batchSize: 8, seed: 1, shuffled: true, workers: workers)
        let said = message {
            try withoutThreads {
                loader.start(epoch: 0)
                while try loader.next() != nil {}
            }
        }
        #expect(said.hasPrefix("cannot start a thread (batch loader): "), "\(said)")
        loader.stop()
        loader.start(epoch: 0)
        var images = 0
        while let batch = try loader.next() { images += batch.count }
        #expect(images == 20)
    }

    /// Up to so many unreadable images are replaced by others: those that only this process could not open are none.
    @Test func withoutDescriptorsNoImageIsReplaced() throws {
        let tiny = try TinyImageNet()
        let data = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 100) { Issue.record("\($0)") })
        let reader = try data.sources(imageSize: 32).train.reader(augmentation: Augmentation(smallestArea: 0.08, flips: true), seed: 1)
        var pixels = [Float](repeating: 0, count: 32 * 32 * 3)
        let said = message { _ = try withoutDescriptors { try reader.read(0, epoch: 0, into: &pixels) } }
        #expect(said.hasPrefix("cannot open ") && said.hasSuffix(": Too many open files"), "\(said)")
        #expect(try !reader.read(0, epoch: 0, into: &pixels).isReplaced)
    }
}
