// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import BuildFacts
import Compute
import Datasets
import Files
import Foundation
import Graph
import Reporting
import Statistics
import Training

struct EvaluateWeights: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate-weights",
        abstract: "Top-1 and top-5 of a float ImageNet ResNet in a safetensors file on validation images.",
        discussion: """
            Predicts among all classes of the file's classifier, or with --restrict among those of the data set alone. \
            --reference compares pixels, scores and predictions with PyTorch's (Experiments/pytorch/imagenet_reference.py writes the file).
            """)

    @Argument(help: ArgumentHelp("Weights (safetensors, torchvision's names).", valueName: "file"))
    var weights: String

    @Option(help: ArgumentHelp("Folder with val/ (or BCGD_IMAGENET).", valueName: "dir"))
    var data: String?

    @OptionGroup var imageNet: ImageNetOptions

    @Option(help: "Rows and columns of the central crop.")
    var imageSize = 224

    @Option(help: "Pixels to which the short side is resized before; 0 resizes nothing (default: 256/224 of the crop).")
    var resize: Int?

    @Flag(help: "Predict among the data set's classes alone.")
    var restrict = false

    @Option(help: "Arithmetic: f32 or mixed.")
    var precision = Precision.f32

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("PyTorch's pixels and scores on the same images in the same order.", valueName: "file"))
    var reference: String?

    @Option(help: ArgumentHelp("CSV file that takes the result as a row.", valueName: "file"))
    var record: String?

    func validate() throws {
        guard (32...1024).contains(imageSize) else { throw ValidationError("--image-size must be 32 to 1024, not \(imageSize)") }
        guard resize.map({ $0 == 0 || (imageSize...2048).contains($0) }) ?? true else {
            throw ValidationError("--resize must be 0 or \(imageSize) to 2048, not \(resize ?? 0)")
        }
        guard reference == nil || !restrict else { throw ValidationError("--reference compares all of the classifier's scores: leave --restrict out") }
    }

    func run() throws {
        let file = try PretrainedFile(path: weights)
        let dataset = try imageNet.load(data, needsTraining: false)
        let rows = try file.classes(for: dataset)
        let crop = resize.map { CenterCrop(resize: $0 == 0 ? nil : $0, crop: imageSize) } ?? CenterCrop(crop: imageSize)
        let split = dataset.testSplit(crop, inAll: rows != nil && !restrict)
        let evaluation = try WeightsEvaluation(
            network: file.network, weights: restrict ? try rows.map { try file.weights.selectingClasses($0) } ?? file.weights : file.weights,
            classes: restrict ? dataset.classes.count : try file.classCount(), precision: precision, threads: computing.threads, imageSize: imageSize)
        let result = try evaluation.evaluate(split, loaders: imageNet.loaders, bar: "images")
        let (top1, top5) = (percent(result.total.top1, of: result.total.count), percent(result.total.top5, of: result.total.count))
        let preprocessing = crop.resize.map { "resize \($0), centre crop \(imageSize)" } ?? "centre crop \(imageSize) without resizing"
        say("\(dataset.name), \(result.total.count) validation images, \(preprocessing), \(restrict ? dataset.classes.count : try file.classCount()) classes to choose from")
        say("top-1 \(top1.text), top-5 \(top5.text) (Clopper–Pearson, 95 %)")
        let comparison = try reference.map { try ReferenceComparison(path: $0, evaluation, ours: result) }
        if let comparison { say(comparison.text) }
        guard let record else { return }
        let engine = "this suite, \(precision.rawValue)", choice = restrict ? "restricted" : "all"
        let shared = [dataset.name, "\(result.total.count)", file.network, preprocessing, choice]
        let facts = [BuildFacts.commit, commandLine()]
        func fields(_ engine: String, _ top1: Percent, _ top5: Percent, _ differences: [String]) -> [String] {
            shared + [engine] + top1.fields + top5.fields + differences + facts
        }
        try withLock(on: (record as NSString).deletingLastPathComponent) {
            var table = FileManager.default.fileExists(atPath: record) ? try CSVTable(contentsOf: record) : CSVTable(header: Self.columns)
            guard table.header == Self.columns else { throw FileError("\(record):1: expected the columns \(Self.columns.joined(separator: ","))") }
            table.appendOrReplace(fields(engine, top1, top5, comparison?.fields ?? ["", "", "", ""]), key: Self.key)
            if let comparison { table.appendOrReplace(fields("PyTorch", comparison.top1, comparison.top5, ["", "", "", ""]), key: Self.key) }
            try table.write(to: record)
        }
    }

    private static let key = ["dataset", "network", "preprocessing", "classes", "engine"]
    private static let columns = [
        "dataset", "n_test", "network", "preprocessing", "classes", "engine", "top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high",
        "mean_pixel_difference", "differing_predictions", "differing_predictions_same_pixels", "relative_score_difference_same_pixels",
        "commit", "how",
    ]
}

/// A share of images in percent with its exact 95 % interval.
struct Percent {
    let value: Double
    let interval: Interval
    var text: String { String(format: "%.2f %% [%.2f, %.2f]", value, interval.low, interval.high) }
    var fields: [String] { [value, interval.low, interval.high].map { String(format: "%.4f", $0) } }
}

func percent(_ count: Int, of total: Int) -> Percent {
    let interval = clopperPearson(successes: count, trials: total, level: 0.95)
    return Percent(value: 100 * Double(count) / Double(total), interval: Interval(low: 100 * interval.low, high: 100 * interval.high))
}

/// A float network with weights from a file, applied to images.
final class WeightsEvaluation {
    /// What a split came to; predictions, labels and pixels of each image in the split's order.
    struct Result {
        var total = BatchOutcome()
        var predictions: [Int] = []
        var labels: [Int32] = []
        /// Raw bytes `[N, H, W, 3]`, had back from normalised values.
        var pixels: [UInt8] = []
    }

    let classes: Int
    private let network: Network
    private let loss: SoftmaxCrossEntropy
    private let images: Tensor
    private let batch = 25

    init(network name: String, weights: SafetensorsFile, classes: Int, precision: Precision, threads: Int, imageSize: Int) throws {
        let shape = FeatureShape(height: imageSize, width: imageSize, channels: 3)
        let graph = try NetworkGraph.named(name, input: shape, classes: classes)
        try NetworkMemory(graph, name: name, precision: precision, threads: threads)
            .expectRoom(batch: batch, besides: (BatchLoader.depth + 2) * 4 * shape.count, for: name)
        let workshop = Workshop(engine: try Engine(threads: threads), batch: batch)
        network = try Network(graph, precision: precision, in: workshop)
        try network.takeWeights(from: weights)
        (loss, images, self.classes) = (SoftmaxCrossEntropy(classes: classes, in: workshop), shape.tensor(batch: batch), classes)
    }

    func evaluate(_ split: JPEGSplit, loaders: Int, bar label: String) throws -> Result {
        let loader = BatchLoader(split: split, batchSize: batch, seed: 0, shuffled: false, workers: loaders)
        var bar = ProgressBar.onStandardError(label: label, epochs: 1, imagesPerEpoch: split.count)
        defer { bar.close() }
        var result = Result()
        loader.start(epoch: 0)
        while let batch = try loader.next() {
            images.pointer.update(from: batch.images, count: batch.count * split.imageSize)
            let scores = try network.forward(images, batch: batch.count, mode: .evaluation)
            result.total += loss(scores, labels: batch.labels, batch: batch.count)
            if let image = loss.notFinite {
                let number = result.total.count - batch.count + image
                throw FileError(
                    "\(split.path(of: number)), validation image \(number + 1) of \(split.count), has scores that are not finite: "
                        + "these weights give it no class")
            }
            result.labels += UnsafeBufferPointer(start: batch.labels, count: batch.count)
            result.predictions += predictions(scores, count: batch.count)
            result.pixels += ImageNet.normalization.bytes(of: UnsafeBufferPointer(start: batch.images, count: batch.count * split.imageSize))
            let seen = Double(result.total.count)
            bar.update(epoch: 1, images: result.total.count, loss: result.total.lossSum / seen, accuracy: 100 * Double(result.total.top1) / seen)
        }
        return result
    }

    /// Scores `[N, classes]` of raw pixels `[N, H, W, 3]`.
    func scores(_ pixels: [UInt8]) throws -> [Float] {
        let (size, table) = (network.input.count, ImageNet.normalization.table)
        var all: [Float] = []
        for first in stride(from: 0, to: pixels.count / size, by: batch) {
            let count = min(batch, pixels.count / size - first)
            for index in 0..<count * size { images.pointer[index] = table[256 * (index % 3) + Int(pixels[first * size + index])] }
            let scores = try network.forward(images, batch: count, mode: .evaluation)
            all += UnsafeBufferPointer(start: scores.pointer, count: count * classes)
        }
        return all
    }

    private func predictions(_ scores: Tensor, count: Int) -> [Int] {
        (0..<count).map { n in highest(UnsafeBufferPointer(start: scores.pointer + n * classes, count: classes)) }
    }
}

private func highest(_ scores: some Collection<Float>) -> Int { scores.enumerated().max { $0.element < $1.element }?.offset ?? 0 }

/// How PyTorch's pixels, scores and predictions differ from ours.
struct ReferenceComparison {
    let top1, top5: Percent
    /// Mean over all values, of 255.
    private let pixels: Double
    /// Images whose prediction differs: each engine on its own pixels, and both on PyTorch's.
    private let predictions, samePixels: Int
    /// Largest difference of scores on the same pixels, as a part of the largest score.
    private let scores: Double
    private let count: Int

    /// - Throws: `SafetensorsError` or `FileError` when the file holds other images.
    init(path: String, _ evaluation: WeightsEvaluation, ours: WeightsEvaluation.Result) throws {
        let file = try SafetensorsFile(path: path)
        let (count, classes) = (ours.total.count, evaluation.classes)
        let theirs = try file.values(UInt8.self, named: "pixels")
        let logits = try file.floats(named: "logits", shape: [count, classes])
        let labels = try file.values(Int32.self, named: "labels", shape: [count])
        if let score = logits.firstIndex(where: { !$0.isFinite }) {
            throw FileError("\(path): the scores of image \(score / classes + 1) of \(count) are not finite")
        }
        guard theirs.count == ours.pixels.count, labels == ours.labels else {
            throw FileError("\(path) holds other images, another size or another order than these validation images")
        }
        func rows(_ scores: [Float]) -> [ArraySlice<Float>] { (0..<count).map { scores[$0 * classes..<($0 + 1) * classes] } }
        let again = try evaluation.scores(theirs)
        let reference = rows(logits).map(highest)
        let ranks = zip(rows(logits), labels).map { row, label in row.count { $0 > row[row.startIndex + Int(label)] } }
        (top1, top5) = (percent(ranks.count { $0 < 1 }, of: count), percent(ranks.count { $0 < 5 }, of: count))
        let distance = zip(theirs, ours.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        pixels = Double(distance) / Double(theirs.count)
        predictions = zip(reference, ours.predictions).count { $0 != $1 }
        samePixels = zip(reference, rows(again).map(highest)).count { $0 != $1 }
        let largest = logits.reduce(0) { max($0, abs($1)) }
        scores = Double(zip(logits, again).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest)
        self.count = count
    }

    var text: String {
        """
        PyTorch: top-1 \(top1.text), top-5 \(top5.text)
        pixels differ by \(String(format: "%.5f", pixels)) of 255 on average; \(predictions) of \(count) predictions differ
        on PyTorch's pixels \(samePixels) predictions differ, and scores by at most \(String(format: "%.1e", scores)) of the largest
        """
    }

    var fields: [String] { [String(format: "%.6f", pixels), "\(predictions)", "\(samePixels)", String(format: "%.2e", scores)] }
}
