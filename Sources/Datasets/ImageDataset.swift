// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// Per-channel normalisation of raw pixels: a byte `x` of channel `c` becomes `(x/255 − mean[c]) / std[c]`.
public struct PixelNormalization: Sendable, Equatable {
    /// One value a channel, on the scale where a raw 255 is 1.
    public let mean: [Float]
    public let std: [Float]

    public init(mean: [Float], std: [Float]) {
        precondition(mean.count == std.count, "one mean and one standard deviation a channel")
        (self.mean, self.std) = (mean, std)
    }

    /// `[C, 256]`, row `c` holding channel `c`'s value of every byte; every operation rounds to f32,
    /// in the order of torchvision's `ToTensor` and `Normalize`, so the values agree with them bit for bit.
    public var table: [Float] {
        mean.indices.flatMap { channel in
            (0..<256).map { (Float($0) / 255 - mean[channel]) / std[channel] }
        }
    }

    /// The bytes that normalised values `[…, C]` came from: the inverse of `table`.
    public func bytes(of values: UnsafeBufferPointer<Float>) -> [UInt8] {
        values.indices.map { index in
            let channel = index % mean.count
            return UInt8(clamping: Int(((values[index] * std[channel] + mean[channel]) * 255).rounded()))
        }
    }
}

/// One split of a data set, in memory. Dimensions: N images, H rows, W columns, C channels.
public struct ImageSplit: Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int
    /// Raw bytes `[N, H, W, C]`, contiguous (channels last).
    public let images: [UInt8]
    /// Class indices `[N]`.
    public let labels: [UInt8]
    public let normalization: PixelNormalization

    public init(
        height: Int, width: Int, channels: Int, images: [UInt8], labels: [UInt8], normalization: PixelNormalization
    ) {
        precondition(images.count == labels.count * height * width * channels, "images are [N, H, W, C], labels [N]")
        precondition(normalization.mean.count == channels, "one mean a channel")
        (self.height, self.width, self.channels) = (height, width, channels)
        (self.images, self.labels, self.normalization) = (images, labels, normalization)
    }

    /// N.
    public var count: Int { labels.count }
}

/// A data set for image classification, held in memory as raw bytes.
public struct ImageDataset: Sendable {
    public let name: String
    /// Class names; a label is an index into them.
    public let classes: [String]
    public let train: ImageSplit
    public let test: ImageSplit
    /// Whether every file has the checksum of the official release. Results on unofficial data must say so.
    public let isOfficial: Bool

    public init(name: String, classes: [String], train: ImageSplit, test: ImageSplit, isOfficial: Bool) {
        (self.name, self.classes, self.train, self.test, self.isOfficial) = (name, classes, train, test, isOfficial)
    }
}

extension ImageDataset {
    /// The same data set with only the first images of each split.
    /// - Precondition: there are as many.
    public func first(train: Int, test: Int) -> ImageDataset {
        ImageDataset(name: name, classes: classes, train: self.train.first(train), test: self.test.first(test), isOfficial: isOfficial)
    }

    /// CRC-32 of all images and labels, eight hexadecimal digits: tells sets of images apart.
    public var checksum: String {
        crc32Hex([train.images, train.labels, test.images, test.labels])
    }

    public var digest: String? { checksum }
}

extension ImageSplit {
    fileprivate func first(_ number: Int) -> ImageSplit {
        ImageSplit(
            height: height, width: width, channels: channels, images: Array(images.prefix(number * imageSize)),
            labels: Array(labels.prefix(number)), normalization: normalization)
    }
}
