// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Statistics
import Training

/// How a run came about.
public struct RunProvenance: Equatable, Sendable {
    public enum DataOrigin: String, CaseIterable, Sendable {
        case official, unofficial

        public init(_ dataset: any Dataset) { self = dataset.isOfficial ? .official : .unofficial }
    }

    /// Wall-clock time of the training.
    public var seconds: Double
    public var threads: Int
    /// Of the program, as `BuildFacts.commit` gives it.
    public var commit: String
    /// The base recipe's name, and a digest of all settings of the run and of the float run that it started from; it
    /// does not depend on the seed.
    public var recipe: String
    public var recipeDigest: String
    /// Whether the data set's files were the official ones.
    public var dataOrigin: DataOrigin
    /// `Dataset.fingerprint`; nil where it is not known, as in rows from before it was kept.
    public var data: String?
    /// The command line that made the run.
    public var how: String

    public init(
        seconds: Double, threads: Int, commit: String, recipe: String, recipeDigest: String, dataOrigin: DataOrigin, data: String? = nil,
        how: String
    ) {
        (self.seconds, self.threads, self.commit, self.recipe) = (seconds, threads, commit, recipe)
        (self.recipeDigest, self.dataOrigin, self.data, self.how) = (recipeDigest, dataOrigin, data, how)
    }
}

/// One training run, a row of `runs.csv`: a condition, the seed, the outcome and where it comes from. The result is the accuracy after the
/// last epoch; the best epoch's is picked on
/// the test images, so it is no result, and is kept for comparison with work that reports it.
/// A run that diverged has no accuracy: its weights are no longer numbers.
public struct RunRow: Equatable, Sendable {
    public var condition: Condition
    public var seed: UInt64
    /// Finished ones; a run without accuracy diverged in the next.
    public var epochs: Int
    /// Test images, fewer than 10⁶ so that the counts can be had back from the written percentages.
    public var testImages: Int
    /// Test images classified correctly after the last epoch; nil for a run that diverged.
    public var correctFinal: Int?
    /// The same after the epoch that did best on them; nil when not every epoch was evaluated.
    public var correctBest: Int?
    /// Mean loss of the training images in the last epoch, as they were trained on, in nats; nil for a run that diverged or was not
    /// trained,
    /// and in rows from before it was kept.
    public var trainLoss: Double?
    /// Test images with their label among the five highest scores after the last epoch; nil where that is no measure of the
    /// data set.
    public var top5Final: Int?
    /// The published number in percent; nil where there is none at hand.
    public var reported: Double?
    /// Where it was published, or why there is none.
    public var reportedSource: String
    public var provenance: RunProvenance

    /// - Precondition: `0 < testImages < 10⁶`, and the counts lie in `0 … testImages`.
    public init(
        condition: Condition, seed: UInt64, epochs: Int, testImages: Int, correctFinal: Int?, correctBest: Int?, trainLoss: Double? = nil,
        top5Final: Int? = nil, reportedIn published: ReportedValues, provenance: RunProvenance
    ) {
        self.init(
            condition: condition, seed: seed, epochs: epochs, testImages: testImages, correctFinal: correctFinal, correctBest: correctBest,
            trainLoss: trainLoss, top5Final: top5Final, reported: nil, reportedSource: ReportedValue.notAvailable, provenance: provenance)
        take(published)
    }

    /// The published number of the row's cell.
    mutating func take(_ published: ReportedValues) {
        let value = published[condition.reportedID]
        (reported, reportedSource) = (value?.value, value?.origin ?? ReportedValue.notAvailable)
    }

    init(
        condition: Condition, seed: UInt64, epochs: Int, testImages: Int, correctFinal: Int?, correctBest: Int?, trainLoss: Double?,
        top5Final: Int?, reported: Double?, reportedSource: String, provenance: RunProvenance
    ) {
        precondition((1..<1_000_000).contains(testImages))
        precondition([correctFinal, correctBest, top5Final].allSatisfy { (0...testImages).contains($0 ?? 0) })
        precondition(top5Final ?? testImages >= correctFinal ?? 0, "a label that scores highest is among the five highest")
        precondition(correctFinal != nil || (correctBest == nil && top5Final == nil), "no number of a run that diverged")
        (self.condition, self.seed, self.epochs, self.testImages) = (condition, seed, epochs, testImages)
        (self.correctFinal, self.correctBest, self.top5Final, self.reported) = (correctFinal, correctBest, top5Final, reported)
        self.trainLoss = trainLoss
        (self.reportedSource, self.provenance) = (reportedSource, provenance)
    }

    /// Names the run's files.
    public var name: String { condition.runName(seed: seed) }
    /// Counted from 1; nil for a run that came to its end.
    public var divergedEpoch: Int? { correctFinal == nil ? epochs + 1 : nil }
    /// Top-1 after the last epoch, in percent.
    public var top1Final: Double? { correctFinal.map { 100 * Double($0) / Double(testImages) } }
    /// Top-1 after the best epoch on the test images, in percent.
    public var top1Best: Double? { correctBest.map { 100 * Double($0) / Double(testImages) } }
    /// Exact (Clopper–Pearson) 95 % interval of `top1Final` over test images like these, in percent. It says nothing about seeds.
    public var interval: Interval? { top1?.interval }
    /// `top1Final` and its interval.
    public var top1: Percent? { correctFinal.map { Percent($0, of: testImages) } }
    /// Top-5 after the last epoch, in percent, and its interval likewise.
    public var top5: Percent? { top5Final.map { Percent($0, of: testImages) } }
}

extension RunRow {
    /// Whether it is known to be on other images than those of the fingerprint, which have the same name.
    func isOnOtherImages(than data: String?) -> Bool {
        guard let own = provenance.data, let data else { return false }
        return own != data
    }

    /// Whether the run has the epochs of its protocol: all of them, fewer where it diverged, or none for weights that came in a
    /// file and were not trained.
    func hasEpochs(of cell: ExperimentCell) -> Bool {
        let isGiven = cell.isFloat && epochs == 0 && correctBest == nil
        return divergedEpoch.map { $0 <= cell.recipe.epochs } ?? (epochs == cell.recipe.epochs || isGiven)
    }
}
