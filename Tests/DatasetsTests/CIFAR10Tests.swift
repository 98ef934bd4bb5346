// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct CIFAR10Tests {
    @Test func planarRecordsBecomeChannelsLast() throws {
        try withTemporaryFolder { folder in
            let release = try TinyCIFAR10.make(in: folder)
            for place in [folder, folder + "/cifar-10-batches-bin"] {
                let data = try CIFAR10.load(folder: place, allowUnofficial: false, release: release)
                #expect(data.isOfficial)
                #expect((data.train.count, data.test.count) == (6, 3))
                for (split, files) in [(data.train, [0, 1]), (data.test, [2])] {
                    for image in 0..<split.count {
                        let (file, record) = (files[image / 3], image % 3)
                        #expect(split.labels[image] == TinyCIFAR10.label(file: file, record: record))
                        let expected = (0..<1024).flatMap { pixel in
                            (0..<3).map { TinyCIFAR10.byte(file: file, record: record, channel: $0, pixel: pixel) }
                        }
                        #expect(Array(split.images[image * 3072..<(image + 1) * 3072]) == expected)
                    }
                }
            }
        }
    }

    @Test func unofficialFilesAreRefusedUnlessAllowed() throws {
        try withTemporaryFolder { folder in
            var release = try TinyCIFAR10.make(in: folder)
            release.testFiles[0].sha256 = String(repeating: "0", count: 64)
            let text = message { _ = try CIFAR10.load(folder: folder, allowUnofficial: false, release: release) }
            #expect(text.contains("test_batch.bin") && text.contains("--allow-unofficial-data"))
            let data = try CIFAR10.load(folder: folder, allowUnofficial: true, release: release)
            #expect(!data.isOfficial)
        }
    }

    @Test func oneChangedPixelIsNoticed() throws {
        try withTemporaryFolder { folder in
            let release = try TinyCIFAR10.make(in: folder)
            let path = folder + "/cifar-10-batches-bin/data_batch_2.bin"
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            bytes[5000] ^= 1
            try write(bytes, path)
            let text = message { _ = try CIFAR10.load(folder: folder, allowUnofficial: false, release: release) }
            #expect(text.contains("data_batch_2.bin") && text.contains("SHA-256"))
        }
    }

    @Test func missingThingsAreNamed() throws {
        try withTemporaryFolder { folder in
            let nowhere = message { _ = try CIFAR10.load(folder: folder + "/nowhere") }
            #expect(nowhere.contains("/nowhere") && nowhere.contains("--data"))
            let release = try TinyCIFAR10.make(in: folder)
            try FileManager.default.removeItem(atPath: folder + "/cifar-10-batches-bin/data_batch_2.bin")
            let text = message { _ = try CIFAR10.load(folder: folder, allowUnofficial: true, release: release) }
            #expect(text.contains("data_batch_2.bin") && text.contains("fetch"))
        }
    }

    @Test func truncatedFileIsRefusedEvenWhereUnofficialDataIsAllowed() throws {
        try withTemporaryFolder { folder in
            let release = try TinyCIFAR10.make(in: folder)
            let path = folder + "/cifar-10-batches-bin/data_batch_1.bin"
            try write(Array(repeating: 0, count: 3 * 3073 - 1), path)
            let text = message { _ = try CIFAR10.load(folder: folder, allowUnofficial: true, release: release) }
            #expect(text.contains("data_batch_1.bin has 9218 bytes, expected 9219"))
        }
    }

    @Test func labelOutOfRangeNamesFileRecordAndValue() throws {
        try withTemporaryFolder { folder in
            let release = try TinyCIFAR10.make(in: folder)
            let path = folder + "/cifar-10-batches-bin/test_batch.bin"
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            bytes[2 * 3073] = 10
            try write(bytes, path)
            let text = message { _ = try CIFAR10.load(folder: folder, allowUnofficial: true, release: release) }
            #expect(text.contains("test_batch.bin: record 2 (counted from 0) has label 10, expected 0 to 9"))
        }
    }

    @Test(.needs(.cifar10))
    func realFilesHaveTheKnownStatistics() throws {
        let folder = try RealData.cifar10.requirePath()
        let data = try CIFAR10.load(folder: folder, allowUnofficial: true)
        if !data.isOfficial {
            let text = message { _ = try CIFAR10.load(folder: folder) }
            #expect(text.contains("--allow-unofficial-data"))
        }
        // The data set's page: 5000 training images and 1000 test images of each class.
        for (split, each) in [(data.train, 5000), (data.test, 1000)] {
            #expect((0..<10).map { label in split.labels.count { $0 == label } } == Array(repeating: each, count: 10))
        }
        var sums = [0, 0, 0]
        data.train.images.withUnsafeBufferPointer { bytes in
            for i in stride(from: 0, to: bytes.count, by: 3) { for c in 0..<3 { sums[c] += Int(bytes[i + c]) } }
        }
        for channel in 0..<3 {
            let mean = Double(sums[channel]) / 255 / Double(50_000 * 1024)
            // The recipe rounds to four digits; unofficial copies may hold some recompressed pixels.
            #expect(abs(mean - Double(CIFAR10.normalization.mean[channel])) < 1e-4)
        }
    }
}
