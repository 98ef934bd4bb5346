// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Statistics

/// A data set whose test images are some of its training images, which training then does not see: for choices that must not be made on the
/// test images. Its name says so, so that no table puts it beside results on these.
public struct ValidationSplit: Dataset {
    public let whole: any Dataset
    /// Validation images.
    public let count: Int

    public var name: String { whole.id.validating(count).name }
    public var classes: [String] { whole.classes }
    public var isOfficial: Bool { whole.isOfficial }
    public var digest: String? { whole.digest }
    public var testDigest: String? { whole.testDigest }

    public func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource) {
        let train = try whole.sources(imageSize: imageSize).train
        guard count < train.count else {
            throw FileError("\(whole.name) has \(train.count) training images, so validation_images must be fewer, not \(count)")
        }
        // One draw for all seeds: runs of different seeds then differ in training alone, and no image is drawn by its place.
        let order = shuffledOrder(count: train.count, seed: 0, epoch: 0).map(Int.init)
        return (PartOfSource(train, order.dropFirst(count).sorted()), PartOfSource(train, order.prefix(count).sorted()))
    }
}

extension Dataset {
    /// The same with so many training images set aside for validation; itself for 0, and where they are set aside already.
    public func settingAside(_ count: Int) -> any Dataset {
        count == 0 || (self as? ValidationSplit)?.count == count ? self : ValidationSplit(whole: self, count: count)
    }
}

/// Some images of a source, in an order of their own.
private struct PartOfSource: ImageSource {
    let whole: any ImageSource
    let images: [Int]
    var height: Int { whole.height }
    var width: Int { whole.width }
    var channels: Int { whole.channels }
    var count: Int { images.count }
    var pixels: PixelNormalization? { whole.pixels }

    init(_ whole: any ImageSource, _ images: [Int]) { (self.whole, self.images) = (whole, images) }

    func reader(augmentation: Augmentation?, seed: UInt64) throws -> any ImageReader {
        PartReader(whole: try whole.reader(augmentation: augmentation, seed: seed, within: images), images: images)
    }
}

private final class PartReader: ImageReader {
    private let whole: any ImageReader
    private let images: [Int]

    init(whole: any ImageReader, images: [Int]) { (self.whole, self.images) = (whole, images) }

    func read(_ image: Int, epoch: Int, into output: UnsafeMutablePointer<Float>) throws -> ReadImage {
        try whole.read(images[image], epoch: epoch, into: output)
    }
}
