// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Files
import Foundation
import Graph
import Parallelism
import Reporting
import Training

/// A float network with weights from a file, applied to images.
public final class WeightsEvaluation {
    /// What a split came to; predictions, labels and pixels of each image in the split's order.
    public struct Result {
        public fileprivate(set) var total = BatchOutcome()
        public fileprivate(set) var predictions: [Int] = []
        public fileprivate(set) var labels: [Int32] = []
        /// Raw bytes `[N, H, W, 3]`, had back from normalised values.
        public fileprivate(set) var pixels: [UInt8] = []
    }

    public let classes: Int
    private let network: Network
    private let loss: SoftmaxCrossEntropy
    private let images: Tensor
    private let batch = 25

    public init(network name: String, weights: SafetensorsFile, classes: Int, precision: Precision, threads: Int, imageSize: Int) throws {
        let shape = FeatureShape(height: imageSize, width: imageSize, channels: 3)
        let graph = try NetworkGraph.named(name, input: shape, classes: classes)
        try NetworkMemory(graph, name: name, precision: precision, threads: threads)
            .expectRoom(batch: batch, besides: (BatchLoader.depth + 2) * 4 * shape.count, for: name)
        let context = ExecutionContext(engine: try Engine(threads: threads), batch: batch)
        network = try Network(graph, precision: precision, in: context)
        try network.takeWeights(from: weights)
        (loss, images, self.classes) = (SoftmaxCrossEntropy(classes: classes, in: context), shape.tensor(batch: batch), classes)
    }

    /// - Parameter keepingPixels: where a comparison needs them; 150 kB an image of 224×224.
    public func evaluate(_ split: JPEGSplit, dataWorkers: Int, bar label: String, keepingPixels: Bool = false) throws -> Result {
        if keepingPixels {
            try AvailableMemory.expect(
                split.count * split.imageSize, of: .now(), for: "keeping the pixels of \(split.count) images for the comparison")
        }
        let loader = BatchLoader(split: split, batchSize: batch, seed: 0, shuffled: false, classes: classes, workers: dataWorkers)
        var bar = ProgressBar.onStandardError(label: label, epochs: 1, imagesPerEpoch: split.count)
        defer { bar.close() }
        var result = Result()
        if keepingPixels { result.pixels.reserveCapacity(split.count * split.imageSize) }
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
            if keepingPixels {
                result.pixels += ImageNet.normalization.bytes(
                    of: UnsafeBufferPointer(start: batch.images, count: batch.count * split.imageSize))
            }
            let seen = Double(result.total.count)
            bar.update(
                epoch: 1, images: result.total.count, loss: result.total.lossSum / seen, accuracy: 100 * Double(result.total.top1) / seen)
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

func highest(_ scores: some Collection<Float>) -> Int { scores.enumerated().max { $0.element < $1.element }?.offset ?? 0 }
