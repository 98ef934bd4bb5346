// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation

/// One line of a learning curve. Losses are means in nats, accuracies percent.
public struct EpochRecord: Codable, Equatable, Sendable {
    /// Counted from 1.
    public let epoch: Int
    public let learningRate: Double
    /// Over the augmented training images as they were trained on, batch statistics, weights changing.
    public let trainLoss, trainTop1: Double
    /// Over the whole test split after the epoch.
    public let testLoss: Double
    public let testHits, testCount: Int
    /// Images with their label among the five highest scores; `nil` in records from before it was kept.
    public let testTop5Hits: Int?
    /// Training images that stood in for others which could not be read; `nil` for none.
    public let replaced: Int?
    /// Of the quantized weights, the part in percent whose integer is another after a step, in the mean over the epoch's steps: at one bit,
    /// flips of signs. `nil` where no weights are quantized, and in records from before it was kept.
    public var integerChanges: Double?
    /// Training and evaluation up to here, over all sessions of the run.
    public package(set) var seconds: Double

    /// By their names in checkpoints.
    enum CodingKeys: String, CodingKey {
        case epoch
        case learningRate = "rate"
        case trainLoss, trainTop1, testLoss, testHits, testCount, testTop5Hits, replaced, integerChanges, seconds
    }

    public var testTop1: Double { 100 * Double(testHits) / Double(testCount) }
    public var testTop5: Double? { testTop5Hits.map { 100 * Double($0) / Double(testCount) } }
}

/// Where a run stands: with the network's tensors and the recipe, all that going on needs.
///
/// There is no generator state to keep: data order, augmentation and initial weights are functions of
/// (seed, epoch, image), so the position in the data is the generators' state.
public struct TrainingState: Codable, Equatable, Sendable {
    /// Epochs finished, and batches done in the one under way.
    public var epoch = 0
    public var batch = 0
    /// Of the epoch under way.
    public var lossSum = 0.0
    public var hits = 0
    public var images = 0
    /// `nil` for none, as in checkpoints from before images came from files.
    public var replaced: Int?
    /// Integers that changed, summed over the epoch's steps, and the number of steps; `nil` for none.
    public var changes, changeSteps: Int?
    /// The same changes by quantized weight; `nil` as above, and where an epoch went on from before it was kept.
    public var layerChanges: [Int]?
    /// What the run is trained on, in words; `nil` in checkpoints from before it was kept.
    public var data: String?
    /// Threads that compute, on which the last bits depend; `nil` in checkpoints from before it was kept.
    public var threads: Int?
    /// Another program that made steps of this run (`Experiments/pytorch/train.py`), in words; `nil` where this suite made all.
    public var engine: String?
    public var seconds = 0.0
    public var curve: [EpochRecord] = []

    public init() {}

    /// What `data` says of so many training images, of classes of these names, and of a checksum of all images.
    static func data(images: Int, classes: [String], checksum: String? = nil) -> String {
        "\(images) training images of classes \(crc32Hex(Data(classes.joined(separator: "\n").utf8)))"
            + (checksum.map { separator + $0 } ?? "")
    }

    private static let separator = ", checksum "

    /// Whether a run on what `data` says may go on with other words for it: those from before checksums were kept lack one.
    static func isSame(_ known: String?, _ data: String) -> Bool {
        guard let known, known != data else { return true }
        return !known.contains(separator) && data.hasPrefix(known + separator)
    }

    mutating func add(_ outcome: BatchOutcome, replaced count: Int) {
        batch += 1
        lossSum += outcome.lossSum
        hits += outcome.top1
        images += outcome.count
        if count > 0 { replaced = (replaced ?? 0) + count }
    }

    mutating func add(changes counts: [Int]) {
        layerChanges = changes == nil ? counts : layerChanges.map { zip($0, counts).map(+) }
        (changes, changeSteps) = ((changes ?? 0) + counts.reduce(0, +), (changeSteps ?? 0) + 1)
    }

    mutating func close(_ record: EpochRecord) {
        curve.append(record)
        (epoch, batch, lossSum, hits, images, replaced, changes, changeSteps, layerChanges) = (epoch + 1, 0, 0, 0, 0, nil, nil, nil, nil)
    }
}
