// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Backends
import CAllocations
import Compute
import Datasets
import Export
import Files
import Foundation
import Graph
import Quantization
import Reporting
import Statistics

struct InferenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Describes a packed model in one line of JSON, then answers each line \"go K\" with the mean of K calls.")

    @Argument(help: "Packed model.") var model: String
    @Option(help: "Images of a call.") var batch = 1
    @Option(help: "How sums are computed: best, or a path by name.") var path = "best"
    @OptionGroup var threads: ThreadOption

    private struct Description: Codable {
        let batch, threads, bytes: Int
        let multiply_adds: Int
        /// The one that "best" stands for, too.
        let path: String
    }

    func validate() throws {
        guard (1...65_536).contains(batch) else { throw ValidationError("--batch must be 1 to 65536, not \(batch)") }
    }

    func run() throws {
        let model = try PackedModel(path: model)
        let path = try Classifier.Path(named: path)
        let classifier = try Classifier(model, threads: threads.threads, path: path)
        var random = Philox(seed: 1, stream: 1)
        let images = (0..<batch * model.input.count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var scores = [Float](repeating: 0, count: batch * model.classes.count)
        try answer(
            Description(
                batch: batch, threads: threads.threads, bytes: model.byteCount, multiply_adds: model.multiplyAdds, path: path.rawValue))
        while let count = try nextRequest() {
            let (before, start) = (allocations_so_far(), ContinuousClock.now)
            for _ in 0..<count { classifier.scores(of: images, count: batch, into: &scores) }
            let (milliseconds, after) = ((ContinuousClock.now - start) / .milliseconds(count), allocations_so_far())
            try answer(
                Block(
                    milliseconds: milliseconds, steps: count, loss: Double(scores[0]),
                    allocations: Double(after.count - before.count) / Double(count),
                    largestAllocation: after.largest, peakMegabytes: SystemFacts.peakMegabytes))
        }
    }
}

struct ScoresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scores", abstract: "Reads images [N, H, W, C] as bytes, writes scores [N, classes] as f32, by a packed model.")

    @Argument(help: "Packed model.") var model: String
    @OptionGroup var threads: ThreadOption

    func run() throws {
        let model = try PackedModel(path: model)
        let images = [UInt8](try FileHandle.standardInput.readToEnd() ?? Data())
        guard images.count % model.input.count == 0 else {
            throw FileError("\(images.count) bytes are no whole images of \(model.input.count)")
        }
        let count = images.count / model.input.count
        var scores = [Float](repeating: 0, count: max(1, count * model.classes.count))
        try Classifier(model, threads: threads.threads).scores(of: images, count: count, into: &scores)
        try FileHandle.standardOutput.write(contentsOf: scores.prefix(count * model.classes.count).withUnsafeBytes { Data($0) })
    }
}

struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract:
            "Writes a packed model of a network with random weights and calibrated step sizes, for timing where no trained one is at hand.")

    @Option var network = "resnet20"
    @Option(help: "Rows and columns of an image.") var side = 32
    @Option var classes = 10
    @Option(help: "1 to 8.") var weightBits = 1
    @Option(help: "1 to 8.") var activationBits = 4
    @Argument(help: "The file to write.") var output: String

    func run() throws {
        let (shape, batch) = (FeatureShape(height: side, width: side, channels: 3), 8)
        let function = try QuantizedReLU(bits: activationBits, inputDerivative: .clippedReLU, stepSizeDerivative: .threeValued)
        let graph = try NetworkGraph.named(network, input: shape, classes: classes)
            .quantized(.quantized(function), WeightQuantization(try WeightProjection(bits: weightBits)))
        let made = try Network(graph, precision: .mixed, in: ExecutionContext(engine: try Engine(threads: 1), batch: batch))
        made.initialize(seed: 1)
        made.tensors.project(threads: 1)
        var random = Philox(seed: 1, stream: 1)
        let images = Tensor([batch, side, side, 3], (0..<batch * shape.count).map { _ in Float(random.normal()) })
        for _ in 0..<20 { _ = try made.forward(images, batch: batch, mode: .training) }
        _ = try made.forward(images, batch: batch, mode: .calibration)
        let format = ImageFormat(
            height: side, width: side, channels: 3, classes: (0..<classes).map { "class \($0)" },
            normalization: PixelNormalization(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]))
        let model = try packedModel(
            graph, made.tensors, format: format, provenance: "\(network) \(weightBits)W\(activationBits)A with random weights, seed 1")
        try model.write(to: output)
    }
}
