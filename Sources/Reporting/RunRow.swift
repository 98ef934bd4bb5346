// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics

/// What a run is a measurement of. The name tells cells apart; the settings beside it are those that tables show.
public struct RunCell: Hashable, Sendable {
    /// As in `Experiments/cells.yaml`.
    public var name: String
    public var dataset: String
    public var network: String
    /// 32 stands for float, of weights and of activations.
    public var weightBits: Int
    public var activationBits: Int
    /// `float`, `bcgd`, `bc`, ….
    public var method: String
    /// `all` or `inner`; empty with float weights.
    public var quantizedLayers: String
    /// ρ in effect: 0 for BC; nil with float weights.
    public var blending: Double?
    /// Coarse derivatives of the quantized ReLU in x and in α; empty with float activations.
    public var inputDerivative: String
    public var resolutionDerivative: String
    /// Name of the protocol: how much of the published training was run (`smoke`, …).
    public var protocolName: String

    public init(
        name: String, dataset: String, network: String, weightBits: Int, activationBits: Int, method: String, quantizedLayers: String,
        blending: Double?, inputDerivative: String, resolutionDerivative: String, protocolName: String
    ) {
        (self.name, self.dataset, self.network, self.method) = (name, dataset, network, method)
        (self.weightBits, self.activationBits, self.quantizedLayers) = (weightBits, activationBits, quantizedLayers)
        (self.blending, self.inputDerivative, self.resolutionDerivative) = (blending, inputDerivative, resolutionDerivative)
        self.protocolName = protocolName
    }

    /// Such as `1W4A`.
    public var bits: String { "\(weightBits)W\(activationBits)A" }
    /// The cell's id in `Experiments/reported.csv`, such as `imagenet/resnet18-1w4a-bcgd`; the protocol is no part of it.
    public var reportedID: String { "\(slug(dataset))/\(name)" }

    /// Names the files of a run: `cifar-10-resnet20-1w4a-bc-short-seed1`, with `-mixed` for that precision.
    public func runName(seed: UInt64, precision: String) -> String {
        "\(slug(dataset))-\(name)-\(protocolName)-seed\(seed)" + (precision == "f32" ? "" : "-\(precision)")
    }
}

/// A data set's name as it stands in names of files: lower-case letters, digits, and single hyphens for all else.
func slug(_ name: String) -> String {
    name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.joined(separator: "-")
}

/// How a run came about.
public struct RunProvenance: Equatable, Sendable {
    public enum DataOrigin: String, Sendable { case official, unofficial }

    /// Wall-clock time of the training.
    public var seconds: Double
    public var threads: Int
    /// The arithmetic of the training steps: `f32` or `mixed`.
    public var precision: String
    /// Of the program, as `BuildFacts.commit` gives it.
    public var commit: String
    /// The base recipe's name, and a digest of all settings of the run and of the float run that it started from; it
    /// does not depend on the seed.
    public var recipe: String
    public var recipeDigest: String
    /// Whether the data set's files were the official ones.
    public var dataOrigin: DataOrigin
    /// The command line that made the run.
    public var how: String

    public init(
        seconds: Double, threads: Int, precision: String, commit: String, recipe: String, recipeDigest: String,
        dataOrigin: DataOrigin, how: String
    ) {
        (self.seconds, self.threads, self.precision, self.commit, self.recipe) = (seconds, threads, precision, commit, recipe)
        (self.recipeDigest, self.dataOrigin, self.how) = (recipeDigest, dataOrigin, how)
    }
}

/// One training run: a row of `runs.csv`. The result is the accuracy after the last epoch; the best epoch's is picked on
/// the test images, so it is no result, and is kept for comparison with work that reports it.
/// A run that diverged has no accuracy: its weights are no longer numbers.
public struct RunRow: Equatable, Sendable {
    public var cell: RunCell
    public var seed: UInt64
    /// Finished ones; a run without accuracy diverged in the next.
    public var epochs: Int
    /// Test images, fewer than 10⁶ so that the counts can be had back from the written percentages.
    public var testImages: Int
    /// Test images classified correctly after the last epoch; nil for a run that diverged.
    public var correctFinal: Int?
    /// The same after the epoch that did best on them; nil when not every epoch was evaluated.
    public var correctBest: Int?
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
        cell: RunCell, seed: UInt64, epochs: Int, testImages: Int, correctFinal: Int?, correctBest: Int?, top5Final: Int? = nil,
        reportedIn published: ReportedValues, provenance: RunProvenance
    ) {
        let value = published[cell.reportedID]
        self.init(
            cell: cell, seed: seed, epochs: epochs, testImages: testImages, correctFinal: correctFinal, correctBest: correctBest,
            top5Final: top5Final, reported: value?.value, reportedSource: value?.source ?? ReportedValue.notAvailable, provenance: provenance)
    }

    init(
        cell: RunCell, seed: UInt64, epochs: Int, testImages: Int, correctFinal: Int?, correctBest: Int?, top5Final: Int?, reported: Double?,
        reportedSource: String, provenance: RunProvenance
    ) {
        precondition((1..<1_000_000).contains(testImages))
        precondition([correctFinal, correctBest, top5Final].allSatisfy { (0...testImages).contains($0 ?? 0) })
        precondition(top5Final ?? testImages >= correctFinal ?? 0, "a label that scores highest is among the five highest")
        precondition(correctFinal != nil || (correctBest == nil && top5Final == nil), "no number of a run that diverged")
        (self.cell, self.seed, self.epochs, self.testImages) = (cell, seed, epochs, testImages)
        (self.correctFinal, self.correctBest, self.top5Final, self.reported) = (correctFinal, correctBest, top5Final, reported)
        (self.reportedSource, self.provenance) = (reportedSource, provenance)
    }

    /// Names the run's files.
    public var name: String { cell.runName(seed: seed, precision: provenance.precision) }
    /// Counted from 1; nil for a run that came to its end.
    public var divergedEpoch: Int? { correctFinal == nil ? epochs + 1 : nil }
    /// Top-1 after the last epoch, in percent.
    public var top1Final: Double? { correctFinal.map { 100 * Double($0) / Double(testImages) } }
    /// Top-1 after the best epoch on the test images, in percent.
    public var top1Best: Double? { correctBest.map { 100 * Double($0) / Double(testImages) } }
    /// Exact (Clopper–Pearson) 95 % interval of `top1Final` over test images like these, in percent. It says nothing about seeds.
    public var interval: Interval? { top1?.interval }
    /// `top1Final` and its interval.
    public var top1: (value: Double, interval: Interval)? { correctFinal.map(accuracy) }
    /// Top-5 after the last epoch, in percent, and its interval likewise.
    public var top5: (value: Double, interval: Interval)? { top5Final.map(accuracy) }

    private func accuracy(_ correct: Int) -> (value: Double, interval: Interval) {
        let proportion = clopperPearson(successes: correct, trials: testImages, level: 0.95)
        return (100 * Double(correct) / Double(testImages), Interval(low: 100 * proportion.low, high: 100 * proportion.high))
    }
}
