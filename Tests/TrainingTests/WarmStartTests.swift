// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Graph
import Quantization
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Which step sizes a run takes over from the one that it starts from: those that mean the same there. All others are set anew.
@Suite struct WarmStartTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path + "/before.safetensors" }

    init() throws { folder = try TemporaryFolder() }

    private func trainer(
        _ changes: [String: String], layerBits: [String: Int]? = nil, after: RunDescription? = nil, precision: Precision = .f32
    ) throws -> Trainer {
        var recipe = try recipe(["epochs": "1", "milestones": "[]"].merging(changes) { $1 })
        recipe.layerBits = layerBits
        try recipe.validate()
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: after, precision: precision)
        return try Trainer(run, dataset: syntheticDataset(), threads: 1)
    }

    /// The network before the first step of a run with `changes`, started from a finished one with `before`.
    private func started(
        _ changes: [String: String], layerBits: [String: Int]? = nil, from before: [String: String], _ precision: Precision = .f32
    ) throws -> (before: Trainer, after: Trainer) {
        let first = try trainer(before, precision: precision)
        var observer = SilentObserver()
        try first.train(checkpoint: path, observer: &observer)
        let next = try trainer(changes, layerBits: layerBits, after: first.run, precision: precision)
        try next.warmStart(from: Checkpoint(path: path), of: first.run)
        return (first, next)
    }

    private func stepSizes(_ trainer: Trainer) -> [String: [Float]] {
        let all = trainer.network.parameters.filter { $0.kind == .stepSize }
        return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.value.values) })
    }

    /// By `layer_bits` or by `activation_bits`: the same bits, the same calibration.
    @Test func bitsOfSingleLayersAreCalibratedToo() throws {
        let layers = ["act1", "layer1.0.act1", "layer1.0.act2", "layer2.0.act1", "layer2.0.act2", "layer3.0.act1", "layer3.0.act2"]
        let single = try started(
            ["method": "bcgd", "weight_bits": "1"], layerBits: Dictionary(uniqueKeysWithValues: layers.map { ($0, 4) }), from: [:]
        ).after
        let all = try started(quantizedChanges, from: [:]).after
        #expect(stepSizes(single) == stepSizes(all) && stepSizes(all).count == layers.count)
        #expect(stepSizes(all).values.allSatisfy { $0[0] > 0 && $0[0] < 0.9 })
    }

    /// Of a 1W4A run, one layer goes on with 8 bits: its α is set anew, about 15/255 of the old one; the others keep theirs.
    @Test(arguments: Precision.allCases) func onlyLayersWithOtherBitsAreSetAnew(_ precision: Precision) throws {
        let (before, after) = try started(quantizedChanges, layerBits: ["act1": 8], from: quantizedChanges, precision)
        let (old, new) = (stepSizes(before), stepSizes(after))
        #expect(try #require(new["act1.resolution"])[0] < 0.2 * #require(old["act1.resolution"])[0])
        #expect(old.keys.filter { $0 != "act1.resolution" }.allSatisfy { old[$0] == new[$0] })
    }

    /// Weights' own step sizes at 4 bits come from the weights that were loaded, 2⟨|w|⟩/√qmax (LSQ, arXiv 1902.08153, section 2.1), also
    /// where the float run named the same quantizers.
    @Test func stepSizesOfWeightsAreOfTheWeights() throws {
        let lsq = ["weight_quantizer": "lsq"]
        let after = try started(lsq.merging(["method": "bc", "weight_bits": "4"]) { $1 }, from: lsq).after
        let weights = try #require(after.network.parameters.first { $0.name == "conv1.weight" }).value.values
        let mean = weights.reduce(0) { $0 + abs(Double($1)) } / Double(weights.count)
        // √7 levels on a side; f32.
        #expect(abs(Double(stepSizes(after)["conv1.weight.resolution"]?[0] ?? 0) / (2 * mean / 7.0.squareRoot()) - 1) < 1e-5)
    }

    /// DoReFa's step size is 1/15 at 4 bits, whatever the run before had learned.
    @Test func fixedStepSizesStay() throws {
        let after = try started(
            quantizedChanges.merging(["method": "bc", "activation_quantizer": "dorefa"]) { $1 }, from: quantizedChanges
        ).after
        #expect(stepSizes(after).values.allSatisfy { $0 == [1 / 15] })
    }

    /// A quantizer that the network brings is not the recipe's, though the recipes are equal: its α means nothing to that one, and is
    /// another such network's.
    @Test func stepSizesOfAnotherQuantizerAreSetAnew() throws {
        let recipe = try recipe(quantizedChanges.merging(["epochs": "1", "milestones": "[]"]) { $1 })
        func small(_ activation: ActivationFunction, _ name: String, after: RunDescription? = nil) throws -> Trainer {
            let run = RunDescription(name: name, dataset: "synthetic", recipe: recipe, seed: 3, warmStart: after)
            return try Trainer(run, dataset: syntheticDataset(), threads: 1) { input, classes in
                try NetworkGraph(input) { $0.conv("conv", 16, kernel: 3).norm("bn").act("act").meanPool().linear("fc", classes) }
                    .quantized(activation, nil)
            }
        }
        let own = ActivationFunction.quantized(try PACT(bits: 4)), first = try small(own, "first")
        var observer = SilentObserver()
        try first.train(checkpoint: path, observer: &observer)
        for (activation, isKept) in [(own, true), (ActivationFunction.relu, false)] {
            let next = try small(activation, "next", after: first.run)
            try next.warmStart(from: Checkpoint(path: path), of: first.run)
            #expect(stepSizes(next).keys.sorted() == ["act.resolution"] && (stepSizes(next) == stepSizes(first)) == isKept)
        }
    }

    /// One M a channel forward, one M a channel backward: each channel's gradient is that of its own weights.
    @Test func gradientOfDoReFaPerChannel() throws {
        let quantizer = try DoReFaWeights(bits: 3)
        let graph = try NetworkGraph(FeatureShape(height: 4, width: 4, channels: 2)) {
            $0.conv("conv", 3, kernel: 1, padding: 0).meanPool().linear("fc", 2)
        }.quantized(
            activation: { _ in .relu },
            weights: { node, _ in
                node.name == "conv" ? WeightQuantization(quantizer, isPerChannel: true) : nil
            })
        let parameters = Parameters(graph), weight = parameters["conv.weight"]
        let (w, g): ([Float], [Float]) = ([0.1, -0.2, 0.5, 0.3, 1, 0.9], [1, 2, -1, 0.5, 3, -2])
        weight.value.set(w)
        weight.gradient.set(g)
        weight.takeCoarseGradient(threads: 1)
        for channel in 0..<3 {
            let its = 2 * channel..<2 * channel + 2
            let expected: [Float] = quantizer.referenceGradient(Array(g[its]), weights: Array(w[its]))
            #expect(Array(weight.gradient.values[its]) == expected)
        }
    }

    /// Scores are read as [N, classes]: a network of one's own that makes others is refused before it trains.
    @Test func networksEndInAScoreForEachClass() throws {
        let run = RunDescription(name: "own", dataset: "synthetic", recipe: try recipe(), seed: 3, warmStart: nil)
        func own(_ outputs: Int) throws -> Trainer {
            try Trainer(run, dataset: syntheticDataset(), threads: 1) { input, _ in
                try NetworkGraph(input) {
                    $0.conv("conv", 16, kernel: 3, padding: 1).norm("bn").act("act").meanPool().linear("fc", outputs)
                }
            }
        }
        _ = try own(4)
        #expect(message { _ = try own(3) }.contains("ends in 1×1×3, expected 1×1×4, a score for each class"))
    }

    /// Images that are the network's: of one shape, some of each split, with labels that are classes.
    @Test func imagesMustFitTheNetwork() throws {
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(), seed: 3, warmStart: nil)
        let some = syntheticDataset()
        func refusal(train: ImageSplit, test: ImageSplit, classes: [String]? = nil) -> String {
            let data = ImageDataset(name: some.name, classes: classes ?? some.classes, train: train, test: test, isOfficial: false)
            return message { _ = try Trainer(run, dataset: data, threads: 1) }
        }
        func test(side: Int, labels: [UInt8]) -> ImageSplit {
            ImageSplit(
                height: side, width: side, channels: 3, images: [UInt8](repeating: 9, count: labels.count * side * side * 3),
                labels: labels, normalization: some.test.normalization)
        }
        #expect(
            refusal(train: some.train, test: test(side: 9, labels: [0, 1])).contains(
                "has training images of 8×8×3 and test images of 9×9×3: expected one shape"))
        #expect(refusal(train: some.train, test: test(side: 8, labels: [])).contains("has 150 training and 0 test images"))
        #expect(refusal(train: test(side: 8, labels: []), test: some.test).contains("has 0 training and 60 test images"))
        #expect(refusal(train: some.train, test: test(side: 8, labels: [0, 4])).contains("test image 1 has label 4, expected 0 to 3"))
        #expect(refusal(train: some.train, test: some.test, classes: ["a", "b", "c"]).contains("training image 3 has label 3"))
    }

    /// A checkpoint goes on with the images that it was trained on, as their checksum says, and with no others of the same number.
    @Test func otherImagesAreRefused() throws {
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(), seed: 3, warmStart: nil),
            data = syntheticDataset()
        try Trainer(run, dataset: data, threads: 1).save(to: path)
        var labels = data.train.labels
        labels.swapAt(0, 1)
        let train = ImageSplit(
            height: 8, width: 8, channels: 3, images: data.train.images, labels: labels, normalization: data.train.normalization)
        let other = ImageDataset(name: data.name, classes: data.classes, train: train, test: data.test, isOfficial: false)
        try Trainer(run, dataset: data, threads: 1).restore(Checkpoint(path: path))
        let refusal = message { try Trainer(run, dataset: other, threads: 1).restore(Checkpoint(path: path)) }
        #expect(refusal.contains("was trained on 150 training images of classes") && refusal.contains(", checksum "))
        let (finished, _) = try started(quantizedChanges, from: [:])
        let next = RunDescription(
            name: "q", dataset: "synthetic", recipe: try recipe(quantizedChanges), seed: 3, warmStart: finished.run)
        let start = message { try Trainer(next, dataset: other, threads: 1).warmStart(from: Checkpoint(path: path), of: finished.run) }
        #expect(start.contains("was trained on 150 training images of classes"))
    }

    /// 0.53 of 100 epochs are 53, though the f32 nearest to 0.53 is below it.
    @Test(arguments: [(Float(0.53), 100, 53), (0.59, 200, 118), (0.65, 360, 234), (0.8, 200, 160)])
    func relaxedEpochs(_ share: Float, _ epochs: Int, _ expected: Int) throws {
        let recipe = try recipe([
            "method": "binary-relax", "weight_bits": "1", "activation_bits": "4", "epochs": "\(epochs)", "milestones": "[]",
            "relaxation_start": "1", "relaxation_end": "50", "relaxation_share": "\(share)"
        ])
        #expect(recipe.relaxation(epoch: expected - 1) != nil && recipe.relaxation(epoch: expected) == nil)
    }
}
