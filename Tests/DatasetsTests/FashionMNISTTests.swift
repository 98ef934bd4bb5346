// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import TestSupport
import Testing

@Suite struct FashionMNISTTests {
    static let isInstalled = exists(FashionMNIST.debianFolder)
    static let skip: Comment = "the package dataset-fashion-mnist is not installed"

    @Test(.enabled(if: isInstalled, skip)) func debianFilesLoadAndGiveTheNormalization() throws {
        let data = try FashionMNIST.load()
        #expect(data.isOfficial && data.classes.count == 10)
        // The release's README: 60,000 and 10,000 examples; the paper: classes of equal size.
        for (split, each) in [(data.train, 6000), (data.test, 1000)] {
            #expect((0..<10).map { label in split.labels.count { $0 == label } } == Array(repeating: each, count: 10))
        }
        var histogram = [Int](repeating: 0, count: 256)
        for byte in data.train.images { histogram[Int(byte)] += 1 }
        let n = Double(data.train.images.count)
        let mean = Double(histogram.enumerated().reduce(0) { $0 + $1.offset * $1.element }) / n
        let square = Double(histogram.enumerated().reduce(0) { $0 + $1.offset * $1.offset * $1.element }) / n
        // The sums are exact integers; half a unit of the constants' last digit.
        #expect(abs(mean / 255 - Double(FashionMNIST.normalization.mean[0])) < 6e-8)
        #expect(abs((square - mean * mean).squareRoot() / 255 - Double(FashionMNIST.normalization.std[0])) < 6e-8)
    }

    /// SHA-256 of the decompressed release, as published by others who start from the release's own gzip files
    /// (checked against its README's MD5): for one, torchvision's raw files, which these sums pin in public code.
    @Test(
        .enabled(if: isInstalled, skip),
        arguments: [
            ("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            ("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            ("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            ("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ])
    func contentEqualsTheOriginalRelease(name: String, expected: String) throws {
        let command = "gzip --decompress --stdout \"$0\" | sha256sum"
        let result = try runTool("sh", ["-c", command, "\(FashionMNIST.debianFolder)/\(name).gz"], package: "gzip")
        #expect(result.output.prefix(64) == expected)
    }

    /// Two training images and one test image.
    func makeTiny(in folder: String, label: UInt8 = 9, magic: UInt8 = 3) throws -> FashionMNIST.Release {
        func store(_ name: String, _ header: [[UInt8]], _ body: [UInt8]) throws -> UInt32 {
            let path = "\(folder)/\(name)"
            try write(header.flatMap { $0 } + body, path)
            #expect(try runTool("gzip", ["--force", path], package: "gzip").status == 0)
            return try readGzip(path + ".gz", size: header.count * 4 + body.count).crc32
        }
        let side: [UInt8] = [0, 0, 0, 28]
        func images(_ count: Int) -> [UInt8] { (0..<count * 784).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 784) } }
        let release = FashionMNIST.Release(
            train: (
                2, try store("train-images-idx3-ubyte", [[0, 0, 8, magic], [0, 0, 0, 2], side, side], images(2)),
                try store("train-labels-idx1-ubyte", [[0, 0, 8, 1], [0, 0, 0, 2]], [0, label])
            ),
            test: (
                1, try store("t10k-images-idx3-ubyte", [[0, 0, 8, 3], [0, 0, 0, 1], side, side], images(1)),
                try store("t10k-labels-idx1-ubyte", [[0, 0, 8, 1], [0, 0, 0, 1]], [5])
            ))
        return release
    }

    @Test func tinyFilesAreReadInOrder() throws {
        try withTemporaryFolder { folder in
            let release = try makeTiny(in: folder)
            let data = try FashionMNIST.load(folder: folder, allowUnofficial: false, release: release)
            #expect(data.train.labels == [0, 9] && data.test.labels == [5] && data.isOfficial)
            #expect(data.train.images == (0..<2 * 784).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 784) })
            var other = release
            other.train.imagesCRC32 ^= 1
            let text = message { _ = try FashionMNIST.load(folder: folder, allowUnofficial: false, release: other) }
            #expect(text.contains("train-images") && text.contains("--allow-unofficial-data"))
            #expect(try !FashionMNIST.load(folder: folder, allowUnofficial: true, release: other).isOfficial)
        }
    }

    @Test func badFilesAreNamed() throws {
        try withTemporaryFolder { folder in
            let release = try makeTiny(in: folder)
            func failure() -> String {
                message { _ = try FashionMNIST.load(folder: folder, allowUnofficial: true, release: release) }
            }
            _ = try makeTiny(in: folder, label: 10)
            #expect(failure().contains("train-labels-idx1-ubyte.gz: record 1 (counted from 0) has label 10"))
            _ = try makeTiny(in: folder, magic: 4)
            #expect(failure().contains("train-images-idx3-ubyte.gz: the IDX header"))
            _ = try makeTiny(in: folder)
            let path = folder + "/t10k-images-idx3-ubyte.gz"
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            try write(Array(bytes.dropLast(1)), path)
            #expect(failure().contains("t10k-images-idx3-ubyte.gz is damaged"))
            var flipped = bytes
            flipped[bytes.count - 6] ^= 1  // the stored CRC-32
            try write(flipped, path)
            #expect(failure().contains("t10k-images-idx3-ubyte.gz is damaged"))
            try write(Array(bytes.prefix(bytes.count / 2)), path)
            #expect(failure().contains("t10k-images-idx3-ubyte.gz"))
            try write(bytes + bytes, path)  // gzip members follow each other: twice the content
            #expect(failure().contains("t10k-images-idx3-ubyte.gz holds more than 800 bytes"))
            try FileManager.default.removeItem(atPath: path)
            #expect(failure().contains("apt-get install dataset-fashion-mnist"))
        }
    }
}
