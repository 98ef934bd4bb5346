// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747): 60 000 training and 10 000 test images of 28×28×1
/// in ten classes, as gzipped IDX files.
public enum FashionMNIST {
    public static let classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]
    /// Mean and (population) standard deviation of the 47 040 000 pixels of the training split, computed exactly
    /// from their histogram and rounded to f32; a test computes them again.
    public static let normalization = PixelNormalization(mean: [0.2860406], std: [0.3530242])

    /// Where Debian's package dataset-fashion-mnist puts the files.
    public static let debianFolder = "/usr/share/datasets/fashion-mnist"

    /// Reads the four files.
    /// - Parameter allowUnofficial: accept contents whose checksums are not the release's (`isOfficial` tells).
    /// - Throws: `FileError`: missing or damaged file, wrong header, label out of range, wrong checksum.
    public static func load(folder: String = debianFolder, allowUnofficial: Bool = false) throws -> ImageDataset {
        try load(folder: folder, allowUnofficial: allowUnofficial, release: .official)
    }

    /// Counts and CRC-32 of the decompressed files. Debian repacks the gzip files, so their own checksums differ
    /// from the release's; the decompressed contents have the SHA-256 that others publish for the original release
    /// (a test checks that), and these CRC-32 were computed from them.
    package struct Release: Sendable {
        package typealias Part = (count: Int, imagesCRC32: UInt32, labelsCRC32: UInt32)
        package var train: Part
        package var test: Part
        package init(train: Part, test: Part) { (self.train, self.test) = (train, test) }
        package static let official = Release(
            train: (60_000, 0xb4f2_9f28, 0x741a_4657), test: (10_000, 0x678f_e0b1, 0x8014_2c1f))
    }

    package static func load(folder: String, allowUnofficial: Bool, release: Release) throws -> ImageDataset {
        var impostor: String?
        func read(_ name: String, _ dimensions: [Int], crc32: UInt32) throws -> [UInt8] {
            let path = "\(folder)/\(name)-idx\(dimensions.count)-ubyte.gz"
            guard FileManager.default.fileExists(atPath: path) else {
                throw FileError("Fashion-MNIST: there is no \(path); install it with `apt-get install dataset-fashion-mnist`")
            }
            let (elements, found) = try readIDX(path, dimensions: dimensions)
            if found != crc32 {
                impostor = impostor ?? "\(path): the content's CRC-32 is \(hex(found)), expected \(hex(crc32))"
            }
            return elements
        }
        func split(_ prefix: String, _ part: Release.Part) throws -> ImageSplit {
            let images = try read("\(prefix)-images", [part.count, 28, 28], crc32: part.imagesCRC32)
            let labels = try read("\(prefix)-labels", [part.count], crc32: part.labelsCRC32)
            if let record = labels.firstIndex(where: { $0 >= classes.count }) {
                throw FileError(
                    "\(folder)/\(prefix)-labels-idx1-ubyte.gz: record \(record) (counted from 0) has label \(labels[record]), expected 0 to 9")
            }
            return ImageSplit(
                height: 28, width: 28, channels: 1, images: images, labels: labels, normalization: normalization)
        }
        let (train, test) = (try split("train", release.train), try split("t10k", release.test))
        if let impostor, !allowUnofficial {
            throw FileError(
                "\(impostor); use the data anyway with --allow-unofficial-data, or install the official data with `apt-get install --reinstall dataset-fashion-mnist`"
            )
        }
        return ImageDataset(
            name: KnownDataset.fashionMNIST.rawValue, classes: classes, train: train, test: test, isOfficial: impostor == nil)
    }

    /// The elements of a gzipped IDX file of unsigned bytes (magic number 0x0000_08DD, DD dimensions, each a
    /// big-endian 32-bit count), and the CRC-32 of the whole content.
    private static func readIDX(_ path: String, dimensions: [Int]) throws -> ([UInt8], UInt32) {
        let header = 4 + 4 * dimensions.count
        let (bytes, crc32) = try readGzip(path, size: header + dimensions.reduce(1, *))
        func word(_ index: Int) -> Int { bytes[4 * index..<4 * index + 4].reduce(0) { $0 << 8 | Int($1) } }
        let expected = [0x0800 + dimensions.count] + dimensions
        let found = expected.indices.map(word)
        guard found == expected else {
            throw FileError("\(path): the IDX header (magic number, dimensions) is \(found), expected \(expected)")
        }
        return (Array(bytes[header...]), crc32)
    }

    private static func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
