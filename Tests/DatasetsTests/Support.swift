// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import TestSupport
import Testing

/// Images whose bytes all differ from image to image: `[count, height, width, channels]`.
func syntheticSplit(count: Int, height: Int = 32, width: Int = 32, channels: Int = 3) -> ImageSplit {
    let size = height * width * channels
    return ImageSplit(
        height: height, width: width, channels: channels,
        images: (0..<count * size).map { UInt8(truncatingIfNeeded: ($0 / size) * 37 + ($0 % size) * 11 + ($0 % size) / 251) },
        labels: (0..<count).map { UInt8($0 % 10) },
        normalization: PixelNormalization(
            mean: Array(CIFAR10.normalization.mean.prefix(channels)), std: Array(CIFAR10.normalization.std.prefix(channels))))
}

/// A CIFAR-10 release of two training files and a test file with three records each.
struct TinyCIFAR10 {
    static let records = 3
    static let files = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]

    /// A pixel's byte: different for file, record, channel and neighbouring pixels.
    static func byte(file: Int, record: Int, channel: Int, pixel: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: 89 * file + 41 * record + 67 * channel + 3 * pixel + pixel / 128)
    }
    static func label(file: Int, record: Int) -> UInt8 { UInt8((4 * file + record) % 10) }

    /// Writes the files into `folder/cifar-10-batches-bin` and describes them as a release.
    static func make(in folder: String, url: String = "http://127.0.0.1:1/none") throws -> CIFAR10Release {
        let inner = "\(folder)/cifar-10-batches-bin"
        try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
        for (file, name) in files.enumerated() {
            let bytes = (0..<records).flatMap { record in
                [label(file: file, record: record)]
                    + (0..<3).flatMap { channel in
                        (0..<1024).map { byte(file: file, record: record, channel: channel, pixel: $0) }
                    }
            }
            try write(bytes, "\(inner)/\(name)")
        }
        let sums = try sha256(ofFiles: files.map { "\(inner)/\($0)" })
        let parts = Array(zip(files, sums)).map { (name: $0, sha256: $1) }
        return CIFAR10Release(
            url: url, archiveBytes: 0, archiveSHA256: "", recordsPerFile: records,
            trainFiles: Array(parts.prefix(2)), testFiles: Array(parts.suffix(1)))
    }

    /// The release's archive at `folder/cifar-10-binary.tar.gz`; its sum and size enter `release`.
    static func pack(_ release: inout CIFAR10Release, in folder: String) throws -> String {
        let archive = "\(folder)/cifar-10-binary.tar.gz"
        let result = try runTool(
            "tar", ["--create", "--gzip", "--file", archive, "--directory", folder, "cifar-10-batches-bin"], package: "tar")
        #expect(result.status == 0)
        release.archiveSHA256 = try sha256(ofFiles: [archive])[0]
        release.archiveBytes = try Data(contentsOf: URL(fileURLWithPath: archive)).count
        return archive
    }
}

/// Two training images and one test image in IDX files, as they are before they may be gzipped.
struct TinyIDX {
    static func pixels(_ count: Int) -> [UInt8] { (0..<count * 784).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 784) } }

    var trainImages = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28] + pixels(2)
    var trainLabels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 0, 9]
    var testImages = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28] + pixels(1)
    var testLabels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 1, 5]

    /// Writes the files and describes them as a release.
    func store(in folder: String, gzipped: Bool) throws -> IDXRelease {
        let release = IDXRelease(
            name: "Tiny", folderName: "tiny", classes: MNIST.classes, normalization: MNIST.normalization, counts: (2, 1),
            sha256: (
                try sha256(of: trainImages), try sha256(of: trainLabels), try sha256(of: testImages), try sha256(of: testLabels)
            ), advice: "buy it")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (file, bytes) in zip(release.files, [trainImages, trainLabels, testImages, testLabels]) {
            let path = "\(folder)/\(file.name)"
            try write(bytes, path)
            if gzipped { #expect(try runTool("gzip", ["--force", "--no-name", path], package: "gzip").status == 0) }
        }
        return release
    }
}

/// The exact mean and deviation of a training split's pixels.
func expectNormalization(_ train: ImageSplit, sourceLocation: SourceLocation = #_sourceLocation) {
    var histogram = [Int](repeating: 0, count: 256)
    for byte in train.images { histogram[Int(byte)] += 1 }
    let n = Double(train.images.count)
    let mean = Double(histogram.enumerated().reduce(0) { $0 + $1.offset * $1.element }) / n
    let square = Double(histogram.enumerated().reduce(0) { $0 + $1.offset * $1.offset * $1.element }) / n
    // The sums are exact integers; half a unit of the constants' last digit.
    #expect(abs(mean / 255 - Double(train.normalization.mean[0])) < 6e-8, sourceLocation: sourceLocation)
    #expect(abs((square - mean * mean).squareRoot() / 255 - Double(train.normalization.std[0])) < 6e-8, sourceLocation: sourceLocation)
}
