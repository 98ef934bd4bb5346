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
