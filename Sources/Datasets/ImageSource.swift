// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// A data set for image classification: what training and evaluation need of it.
public protocol Dataset: Sendable {
    var name: String { get }
    /// Class names; a label is an index into them.
    var classes: [String] { get }
    /// Whether the files are known to be the official release. Results on others must say so.
    var isOfficial: Bool { get }

    /// The images as networks see them.
    /// - Parameter imageSize: rows and columns; `nil` for images that all have one size of their own.
    /// - Throws: `FileError` when the data set has no images of that size.
    func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource)

    /// Tells the images that a run was begun with from others: of all images and labels, or, where they are too many to be read for
    /// it, of their names; `nil`, the default, where neither is known.
    var digest: String? { get }

    /// Of the test images' names, where `digest` leaves them out; `nil` by default.
    var testDigest: String? { get }
}

extension Dataset {
    public var digest: String? { nil }
    public var testDigest: String? { nil }

    /// CRC-32 of the classes' names and of what `digest` and `testDigest` know of the images, eight hexadecimal digits: rows of results
    /// on other images under the same name differ in it. `nil` where nothing is known of the images.
    public var fingerprint: String? {
        let known = [digest, testDigest].compactMap(\.self)
        return known.isEmpty ? nil : crc32Hex([Array((classes + known).joined(separator: "\n").utf8)])
    }
}

/// One split that batches are made of, in memory (`ImageSplit`) or in files (`JPEGSplit`). Dimensions as in `ImageSplit`.
public protocol ImageSource: Sendable {
    var height: Int { get }
    var width: Int { get }
    var channels: Int { get }
    var count: Int { get }
    /// How pixels were made of bytes, for which evaluation in mixed precision has exact sums; `nil`, the default, where they were not.
    var pixels: PixelNormalization? { get }

    /// Reads images on one worker's thread.
    /// - Parameters:
    ///   - augmentation: nil for evaluation.
    ///   - seed: of the augmentation.
    func reader(augmentation: Augmentation?, seed: UInt64) throws -> any ImageReader

    /// The same where only some images may be seen: what stands in for one that cannot be read is one of them. By default none is.
    /// - Parameter images: in rising order.
    func reader(augmentation: Augmentation?, seed: UInt64, within images: [Int]) throws -> any ImageReader
}

extension ImageSource {
    public func reader(augmentation: Augmentation?, seed: UInt64, within images: [Int]) throws -> any ImageReader {
        try reader(augmentation: augmentation, seed: seed)
    }
    public var pixels: PixelNormalization? { nil }
    /// H·W·C: the values of one image.
    public var imageSize: Int { height * width * channels }
}

public protocol ImageReader: AnyObject {
    /// Writes an image as an epoch sees it: normalised f32 `[H, W, C]`, a function of the arguments and the source alone.
    func read(_ image: Int, epoch: Int, into output: UnsafeMutablePointer<Float>) throws -> ReadImage
}

/// What came with an image's pixels.
public struct ReadImage {
    public let label: Int32
    /// Another image stands in for one that cannot be read.
    public var isReplaced = false
    /// Read from files.
    public var bytes = 0
}

extension ImageDataset: Dataset {
    public func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource) {
        guard imageSize == nil else {
            throw ImageSizeError("the images of \(name) have a size of their own: leave image_size out of the recipe")
        }
        for (split, part) in [("training", train), ("test", test)] {
            guard let image = part.labels.firstIndex(where: { Int($0) >= classes.count }) else { continue }
            throw FileError(
                "\(name): \(split) image \(image) has label \(part.labels[image]), expected 0 to \(classes.count - 1), the places of its "
                    + "\(classes.count) classes: correct it, or name its class")
        }
        return (train, test)
    }
}

/// A data set has no images of the size that was asked for.
public struct ImageSizeError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

extension ImageSplit: ImageSource {
    public var pixels: PixelNormalization? { normalization }
    public func reader(augmentation: Augmentation?, seed: UInt64) -> any ImageReader { MemoryReader(self, augmentation, seed) }
}

private final class MemoryReader: ImageReader {
    private let images: [UInt8], labels: [UInt8], table: [Float]
    private let height, width, channels, size: Int
    private let augmentation: Augmentation?
    private let seed: UInt64

    init(_ split: ImageSplit, _ augmentation: Augmentation?, _ seed: UInt64) {
        (images, labels, table) = (split.images, split.labels, split.normalization.table)
        (height, width, channels, size) = (split.height, split.width, split.channels, split.imageSize)
        (self.augmentation, self.seed) = (augmentation, seed)
    }

    func read(_ image: Int, epoch: Int, into output: UnsafeMutablePointer<Float>) -> ReadImage {
        let placement = augmentation?.placement(seed: seed, epoch: epoch, image: image) ?? .identity
        images.withUnsafeBufferPointer { bytes in
            table.withUnsafeBufferPointer { table in
                guard let bytes = bytes.baseAddress, let table = table.baseAddress else { return }
                placement.write(bytes + image * size, height: height, width: width, channels: channels, table: table, to: output)
            }
        }
        return ReadImage(label: Int32(labels[image]))
    }
}
