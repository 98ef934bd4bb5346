// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets

/// What an estimate has to know of a data set.
public struct PlannedImages: Sendable {
    public let dataset: DatasetID
    public let channels: Int
    /// Rows and columns; `nil` where the recipe says.
    public let side: Int?
    public let classes: Int
    public let train, test: Int

    /// A data set of the registry; its files are not looked at.
    public init(_ known: KnownDataset) {
        let facts = known.facts
        (dataset, channels, side, classes) = (known.id, facts.channels, facts.side, facts.classCount)
        (train, test) = (facts.trainImages, facts.testImages)
    }

    /// The images that there are in files.
    public init(_ images: any Dataset) throws {
        let sources = try images.sources(imageSize: 32)
        (dataset, channels, side, classes) = (images.id, sources.train.channels, nil, images.classes.count)
        (train, test) = (sources.train.count, sources.test.count)
    }

    public var inWords: String { "\(dataset) (\(train) training and \(test) test images)" }
}
