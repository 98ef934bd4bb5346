// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// The registry of data sets, by the names that runs and tables give them: all that is known of one without its files, and how it
/// is loaded. To add one: `Documentation/AddingADataset.md`.
public enum KnownDataset: String, CaseIterable, Sendable {
    case fashionMNIST = "Fashion-MNIST"
    case mnist = "MNIST"
    case cifar10 = "CIFAR-10"
    case imageNet = "ImageNet"

    /// The whole of it.
    public var id: DatasetID { DatasetID(rawValue) }

    public var facts: DatasetFacts {
        switch self {
        case .fashionMNIST:
            DatasetFacts(
                channels: 1, side: 28, classes: FashionMNIST.classes, classCount: 10, normalization: FashionMNIST.normalization,
                trainImages: 60_000, testImages: 10_000)
        case .mnist:
            DatasetFacts(
                channels: 1, side: 28, classes: MNIST.classes, classCount: 10, normalization: MNIST.normalization,
                trainImages: 60_000, testImages: 10_000)
        case .cifar10:
            DatasetFacts(
                channels: 3, side: 32, classes: CIFAR10.classes, classCount: 10, normalization: CIFAR10.normalization,
                trainImages: 50_000, testImages: 10_000)
        case .imageNet:
            DatasetFacts(
                channels: 3, side: nil, classes: nil, classCount: ImageNetClasses.wnids.count, normalization: ImageNet.normalization,
                trainImages: ImageNet.trainImages, testImages: ImageNet.testImages)
        }
    }

    /// - Throws: `FileError` naming what is missing, damaged or not official.
    public func load(_ files: DatasetFiles) throws -> any Dataset {
        switch self {
        case .fashionMNIST:
            return try FashionMNIST.load(folder: files.folder ?? FashionMNIST.debianFolder, allowUnofficial: files.allowUnofficial)
        case .mnist:
            guard let folder = files.folder else { throw FileError("MNIST: no folder was named; \(MNIST.release.advice)") }
            return try MNIST.load(folder: folder, allowUnofficial: files.allowUnofficial)
        case .cifar10:
            guard let folder = files.folder else { throw FileError("CIFAR-10: no folder was named; \(CIFAR10Release.official.advice)") }
            return try CIFAR10.load(folder: folder, allowUnofficial: files.allowUnofficial)
        case .imageNet: return try ImageNet(files)
        }
    }
}

extension ImageNet {
    /// - Throws: `FileError` naming what is missing or contradictory.
    public init(_ files: DatasetFiles) throws {
        guard let folder = files.folder else { throw FileError("no folder with images was named; \(Self.advice)") }
        try self.init(
            folder: folder, classList: try files.classList.map { try ClassList(contentsOf: $0) },
            unreadable: UnreadableImages(limit: files.maxUnreadable) { note("warning: \($0)") }, needsTraining: files.needsTraining)
    }
}

/// What is known of a data set without its files.
public struct DatasetFacts: Sendable {
    public let channels: Int
    /// Rows and columns of an image; `nil` for images of many sizes, which the recipe's `image_size` brings to one.
    public let side: Int?
    /// Their names in the order of the labels; `nil` where the files say.
    public let classes: [String]?
    public let classCount: Int
    public let normalization: PixelNormalization
    /// Numbers of images.
    public let trainImages, testImages: Int
}

/// Where a data set's files are, and what of them is accepted.
public struct DatasetFiles: Sendable {
    /// `nil` for the data set's own place, where it has one.
    public var folder: String?
    /// Of data sets with published checksums.
    public var allowUnofficial: Bool
    /// Of images in files: a file that lists the classes, how many training images may be unreadable, and whether there must be any.
    public var classList: String?
    public var maxUnreadable: Int
    public var needsTraining: Bool

    public init(
        folder: String? = nil, allowUnofficial: Bool = false, classList: String? = nil, maxUnreadable: Int = 0, needsTraining: Bool = true
    ) {
        (self.folder, self.allowUnofficial, self.classList) = (folder, allowUnofficial, classList)
        (self.maxUnreadable, self.needsTraining) = (maxUnreadable, needsTraining)
    }
}
