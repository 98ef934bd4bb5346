// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import Compute
import Datasets
import Experiments
import Files
import Foundation
import Graph
import Quantization
import Statistics
import TestSupport
import Testing
import Training
import TrainingTestSupport

private let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized.path

/// The guides in `Documentation/` quote the examples of this folder; both are run here.
@Suite struct GuideTests {
    @Test(arguments: [
        ("AddingAQuantizer", "QuantizerExample"), ("AddingANetwork", "NetworkExample"), ("AddingADataset", "DatasetExample")
    ])
    func guideQuotesTheExample(guide: String, example: String) throws {
        let page = try String(contentsOfFile: "\(package)/Documentation/\(guide).md", encoding: .utf8)
        let file = try String(contentsOfFile: "\(package)/Tests/GuideTests/\(example).swift", encoding: .utf8)
        let code = file.split(separator: "\n", maxSplits: 1)[1]  // without the licence
        let blocks = page.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        #expect(blocks == [String(code)], "Documentation/\(guide).md must quote all of \(example).swift but the licence")
        #expect(page.split(separator: "\n", omittingEmptySubsequences: false).count <= 60)
        for link in page.matches(of: /\]\(([^)]+)\)/).map(\.1) {
            #expect(FileManager.default.fileExists(atPath: "\(package)/Documentation/\(link)"), "\(guide).md links to \(link)")
        }
    }

    /// One step on 40 grey images of ten classes: what it answers is no matter, that the README's lines run is.
    @Test func readmeExampleRunsAsQuoted() throws {
        let readme = try String(contentsOfFile: "\(package)/README.md", encoding: .utf8)
        let example = try String(contentsOfFile: "\(package)/Tests/GuideTests/ReadmeExample.swift", encoding: .utf8).split(
            separator: "\n", maxSplits: 1)[1]
        #expect(readme.components(separatedBy: "```swift\n").dropFirst().map { $0.components(separatedBy: "```")[0] } == [String(example)])
        #expect(readme.split(separator: "\n", omittingEmptySubsequences: false).count <= 151, "150 lines and the last one's end")
        for link in readme.matches(of: /\]\(([^):#]+)(?:#[^)]*)?\)/).map(\.1) where !link.hasPrefix("http") {
            #expect(FileManager.default.fileExists(atPath: "\(package)/\(link)"), "README.md links to \(link)")
        }
        var random = Philox(seed: 5, stream: 0)
        func split(_ count: Int) -> ImageSplit {
            ImageSplit(
                height: 28, width: 28, channels: 1, images: (0..<count * 784).map { _ in UInt8(255 * random.uniform()) },
                labels: (0..<count).map { UInt8($0 % 10) },
                normalization: PixelNormalization(mean: [0.5], std: [0.3]))
        }
        let folder = try TemporaryFolder()
        let data = ImageDataset(name: "grey", classes: (0..<10).map { "class \($0)" }, train: split(40), test: split(10), isOfficial: false)
        let best = try trainExportClassify(data, recipes: "\(package)/Experiments", to: folder.path + "/model.bcgd")
        #expect(best.count == 1 && best[0].name.hasPrefix("class "))
        #expect(try PackedModel(path: folder.path + "/model.bcgd").classes.count == 10)
    }

    @Test func weightsByHand() {
        #expect(SignWeights().project([0.3, -2, 0]) == (1, [1, -1, 1]))
        var quantized: [Float] = [0, 0]
        #expect(SignWeights().project([1, .nan], count: 2, quantized: &quantized, threads: 1).isNaN && quantized.allSatisfy(\.isNaN))
    }

    /// By hand, 2 bits: L = 3; calibration makes α = 4.5/3 = 1.5, so x/α = −2/3, 1/3, 2/3, 1, 2, 3. Then α = 1 puts 4.5
    /// and 3 on either side of the limit.
    @Test func quantizerByHand() throws {
        let graph = try NetworkGraph(FeatureShape(height: 1, width: 1, channels: 6)) { $0.act("act") }.quantized(
            .quantized(NearestReLU(bits: 2)), nil)
        let network = try Network(graph, in: ExecutionContext(engine: try Engine(threads: 1), batch: 1))
        let x = Tensor([1, 1, 1, 6], [-1, 0.5, 1, 1.5, 3, 4.5])
        #expect(try network.forward(x, batch: 1, mode: .calibration).values == [0, 0, 1.5, 1.5, 3, 4.5])
        let stepSize = network.parameters[0]
        #expect(stepSize.name == "act.resolution" && stepSize.value.values == [1.5])
        stepSize.value.fill(1)
        #expect(try network.forward(x, batch: 1, mode: .training).values == [0, 0, 1, 2, 3, 3])
        try network.backward(Tensor([1, 1, 1, 6], [1, 1, 1, 1, 1, 10]), batch: 1)
        #expect(stepSize.gradient.values == [4 * 2 + 10 * 3])
    }

    /// The three examples together, by BCGD at 1W4A, in both precisions.
    @Test(arguments: Precision.allCases) func trainsItsOwnNetworkWithItsOwnQuantizerOnItsOwnData(_ precision: Precision) throws {
        try withRecords { folder in
            let dataset = try loadGreyImages(folder: folder, side: 8, classes: ["a", "b"])
            let run = try description(dataset, precision)
            func trainer(_ run: RunDescription) throws -> Trainer {
                try Trainer(run, dataset: dataset, threads: 1) {
                    try smallNetwork($0, classes: $1).quantized(.quantized(NearestReLU(bits: 4)), nil)
                }
            }
            let first = try trainer(run)
            #expect(first.network.parameters.map(\.name).contains("act1.resolution"))
            var observer = SilentObserver()
            try first.train(checkpoint: folder + "/run.safetensors", observer: &observer)
            let integerWeights = try #require(first.network.weights[0].integerWeights)
            #expect((0..<first.network.weights[0].value.count).allSatisfy { abs(integerWeights[$0]) == 1 }, "one bit: one magnitude")
            #expect(first.network.parameters.filter { $0.kind == .stepSize }.allSatisfy { $0.value.values[0] != 1 })
            // Two classes that differ in brightness, 200 test images, seed 1: at 80 % chance is 8 standard deviations away.
            let top1 = try #require(first.state.curve.last?.testTop1)
            #expect(top1 > 80, "\(top1) %")

            let (again, checkpoint) = (try trainer(run), try Checkpoint(path: folder + "/run.safetensors"))
            try again.restore(checkpoint)
            #expect(try again.finalCorrect() == first.finalCorrect())

            // Whoever reads the checkpoint without the training program gives it the quantizer.
            let (shape, own) = (again.network.input, OwnQuantizers(activations: [NearestReLU(bits: 4)]))
            #expect(try checkpoint.graph(input: shape, classes: 2, own: own) == again.network.graph)
            #expect { try checkpoint.graph(input: shape, classes: 2) } throws: {
                "\($0)".contains("nearest-relu-4 is none of this suite's")
            }

            // The recipe's own activation is another network; and a name that recipes do not know.
            let plain = try Trainer(run, dataset: dataset, threads: 1, graph: smallNetwork)
            #expect(plain.network.parameters.count == first.network.parameters.count)
            #expect { try plain.restore(checkpoint) } throws: { "\($0)".contains("another network named small") }
            #expect(throws: RecipeError.self) { try Trainer(run, dataset: dataset, threads: 1) }
            var impossible = run.recipe
            impossible.weightBits = 9
            let refused = RunDescription(name: "x", dataset: dataset.name, recipe: impossible, seed: 1, warmStart: nil)
            #expect(throws: RecipeError.self) { try trainer(refused) }
        }
    }

    /// Own quantizers of both kinds in every precision: the same levels but for rounding.
    @Test func quantizersInANetworkOfTheSuite() throws {
        let shape = FeatureShape(height: 8, width: 8, channels: 3)
        let graph = try NetworkGraph.named("resnet8", input: shape, classes: 4).quantized(
            .quantized(NearestReLU(bits: 4)), WeightQuantization(SignWeights()))
        var random = Philox(seed: 3, stream: 0)
        let images = shape.tensor(batch: 2)
        images.set((0..<images.count).map { _ in Float(random.normal()) })
        let results = try Precision.allCases.map { precision in
            let network = try Network(graph, precision: precision, in: ExecutionContext(engine: try Engine(threads: 1), batch: 2))
            network.initialize(seed: 1)
            network.tensors.project(threads: 1)
            _ = try network.forward(images, batch: 2, mode: .calibration)
            let scores = try network.forward(images, batch: 2, mode: .training)
            try network.backward(scores, batch: 2)
            #expect(network.parameters.count { $0.kind == .stepSize } == 7)
            #expect(network.parameters.filter { $0.kind == .stepSize }.allSatisfy { $0.gradient.values[0] != 0 })
            return (scores: scores.values, gradient: network.weights[0].gradient.values)
        }
        func deviation(_ a: [Float], _ b: [Float]) -> Double {
            let difference = zip(a, b).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            return (difference / b.reduce(0) { $0 + Double($1 * $1) }).squareRoot()
        }
        // As MixedPrecisionTests has it for the quantized ReLU: exact forward but for a level at the edge, gradients in 16 bits.
        for low in results.dropFirst() {
            #expect(deviation(low.scores, results[0].scores) < 2e-3)
            #expect(deviation(low.gradient, results[0].gradient) < 0.05)
        }
    }

    @Test func datasetKeepsOrderAndRefusesDamage() throws {
        try withRecords { folder in
            let bytes = try #require(FileManager.default.contents(atPath: folder + "/test.bin"))
            let dataset = try loadGreyImages(folder: folder, side: 8, classes: ["a", "b"])
            #expect(dataset.train.count == 400 && dataset.test.count == 200 && !dataset.isOfficial)
            #expect(dataset.test.labels[1] == bytes[65] && dataset.test.images[64] == bytes[66])
            let values = dataset.train.images.map {
                (Double($0) / 255 - Double(dataset.train.normalization.mean[0])) / Double(dataset.train.normalization.std[0])
            }
            let mean = values.reduce(0, +) / Double(values.count), square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
            // Mean and deviation were rounded to f32.
            #expect(abs(mean) < 1e-6 && abs(square - 1) < 1e-6)
            func refusal(_ damaged: Data, _ words: String) throws {
                try damaged.write(to: URL(fileURLWithPath: folder + "/test.bin"))
                #expect { try loadGreyImages(folder: folder, side: 8, classes: ["a", "b"]) } throws: { "\($0)".contains(words) }
            }
            try refusal(bytes.dropLast(), "expected a multiple of 65")
            try refusal(Data(), "expected a multiple of 65")
            try refusal(Data([7]) + bytes.dropFirst(), "image 0 has label 7")
            try FileManager.default.removeItem(atPath: folder + "/test.bin")
            #expect { try loadGreyImages(folder: folder, side: 8, classes: ["a", "b"]) } throws: { "\($0)".contains("cannot read") }
        }
    }

    /// 400 + 200 images of noise, brighter in class b.
    private func withRecords(_ body: (String) throws -> Void) throws {
        let temporary = try TemporaryFolder(), folder = temporary.path
        for (stream, part) in [("train.bin", 400), ("test.bin", 200)].enumerated() {
            var random = Philox(seed: 1, stream: UInt64(stream))
            var bytes: [UInt8] = []
            for image in 0..<part.1 {
                let label = image % 2
                bytes.append(UInt8(label))
                for _ in 0..<64 { bytes.append(UInt8(clamping: Int(110 + 40 * Double(label) + 40 * random.normal()))) }
            }
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(part.0)"))
        }
        try body(folder)
    }

    private func description(_ dataset: ImageDataset, _ precision: Precision) throws -> RunDescription {
        let cells = try ExperimentCells(.smoke, folder: package + "/Experiments")
        var recipe = try #require(cells.cells.first { $0.name == "resnet8-1w4a-bcgd" }).recipe
        (recipe.network, recipe.batchSize, recipe.epochs, recipe.milestones, recipe.cropPadding) = ("small", 20, 4, [3], 1)
        return RunDescription(name: "small", dataset: dataset.name, recipe: recipe, seed: 1, warmStart: nil, precision: precision)
    }
}
