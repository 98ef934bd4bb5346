// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Foundation
import Graph
import Parallelism
import Quantization
import Statistics
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Settings that a recipe may have besides the paper's: against PyTorch where it has them, else against their definition.
@Suite struct SettingsTests {
    /// f64 against f64, a few roundings each.
    private func expectEqual(_ a: [Double], _ b: [Double], within tolerance: Double = 1e-12) {
        #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }, "\(a) against \(b)")
    }

    @Test(arguments: [
        ("cosine", "1", SettingsVectors.cosine), ("linear", "1", SettingsVectors.linear), ("cosine", "0", SettingsVectors.plainCosine)
    ])
    func learningRates(_ schedule: String, _ warmup: String, _ expected: [Double]) throws {
        let recipe = try recipe(["schedule": schedule, "warmup_epochs": warmup, "epochs": "5", "rate": "0.4", "milestones": "[1]"])
        expectEqual((0..<20).map { recipe.learningRate(epoch: $0 / 4, batch: $0 % 4, of: 4) }, expected)
    }

    /// By hand: two epochs of two steps rise to η = 1; the milestone after epoch 1 counts already.
    @Test func warmUpBeforeSteps() throws {
        let recipe = try recipe(["warmup_epochs": "2", "epochs": "4", "rate": "1", "milestones": "[1, 3]"])
        expectEqual((0..<8).map { recipe.learningRate(epoch: $0 / 2, batch: $0 % 2, of: 2) }, [0.25, 0.5, 0.075, 0.1, 0.1, 0.1, 0.01, 0.01])
        #expect(throws: RecipeError.self) { try self.recipeOf(["warmup_epochs": "4", "epochs": "4"]) }
    }

    /// Five epochs of four mini-batches, eight of which would make a step: one step an epoch, a fifth of η more each.
    @Test func warmUpByWholeEpochs() throws {
        let recipe = try recipe(["warmup_epochs": "5", "epochs": "6", "rate": "1", "accumulation": "8", "milestones": "[]"])
        expectEqual((0..<6).map { recipe.learningRate(epoch: $0, batch: 0, of: 4) }, [0.2, 0.4, 0.6, 0.8, 1, 1])
    }

    private func recipeOf(_ changes: [String: String]) throws -> Recipe { try recipe(changes) }

    @Test func adamIsPyTorchs() throws {
        var reference = CoarseGradientDescentReference(
            weights: SettingsVectors.adamStart, momentum: [Double](repeating: 0, count: 6), projection: try WeightProjection(bits: 4))
        var squares = [Double](repeating: 0, count: 6)
        for (index, gradient) in SettingsVectors.adamGradients.enumerated() {
            reference.adamStep(
                gradient: gradient, squares: &squares, number: index + 1, blending: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-3, decay: 0.1,
                learningRate: 0.05)
            expectEqual(reference.weights, SettingsVectors.adamPath[index])
        }
    }

    /// The kernel with a blend, on every instruction set, for any number of threads, whole layer or output channels.
    @Test(arguments: [1, 2], ["per-layer", "per-channel"]) func adamsKernelIsItsDefinition(bits: Int, scaling: String) throws {
        let recipe = try recipe([
            "method": "bcgd", "weight_bits": "\(bits)", "activation_bits": "4", "optimizer": "adam", "blending": "0.25",
            "adam_beta2": "0.99",
            "scaling": scaling, "momentum": "0.75"
        ])
        func run(threads: Int) throws -> (Parameter, [CoarseGradientDescentReference]) {
            let context = ExecutionContext(engine: try Engine(threads: threads), batch: 2)
            let network = try Network(
                try recipe.graph(input: .init(height: 8, width: 8, channels: 3), classes: 4), keepsSecondMoments: true, in: context)
            network.initialize(seed: 3)
            let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
            descent.project()
            let weight = try #require(network.weights.dropLast().last), length = weight.value.count / weight.slices
            var parts = try (0..<weight.slices).map { slice in
                CoarseGradientDescentReference(
                    weights: weight.value.values[slice * length..<(slice + 1) * length].map(Double.init),
                    momentum: [Double](repeating: 0, count: length),
                    projection: try WeightProjection(bits: bits))
            }
            var squares = [[Double]](repeating: [Double](repeating: 0, count: length), count: weight.slices)
            var random = Philox(seed: 5, stream: 0)
            for step in 1...3 {
                let gradient = (0..<weight.value.count).map { _ in Float(0.1 * random.normal()) }
                weight.gradient.set(gradient)
                descent.step(learningRate: 0.01, number: step)
                for slice in parts.indices {
                    parts[slice].adamStep(
                        gradient: gradient[slice * length..<(slice + 1) * length].map(Double.init), squares: &squares[slice], number: step,
                        blending: Double(recipe.blending), beta1: 0.75, beta2: Double(recipe.adamBeta2),
                        epsilon: Double(recipe.adamEpsilon),
                        decay: Double(recipe.weightDecay), learningRate: 0.01)
                }
            }
            return (weight, parts)
        }
        for set in InstructionSet.available {
            let (fast, parts) = try set.limit { try run(threads: 2) }
            let weights = parts.flatMap(\.weights)
            // Steps are up to 0.01 of quotients with a few f32 roundings (6e-8) each, and √v of tiny g is as exact: 3 steps, 5e-8 at most;
            // a correction for bias left out, or ε within the root, is off by more than 1e-4.
            #expect(zip(fast.value.values, weights).allSatisfy { abs(Double($0) - $1) < 1e-7 })
            let one = try set.limit { try run(threads: 1) }.0
            let same = one.value.values == fast.value.values && one.secondMoment?.values == fast.secondMoment?.values
            #expect(same)
        }
    }

    /// f32 gradients, f64 losses.
    @Test func labelSmoothingIsPyTorchs() throws {
        let loss = SoftmaxCrossEntropy(classes: 5, in: ExecutionContext(engine: try Engine(threads: 1), batch: 4))
        let scores = Tensor([4, 1, 1, 5], SettingsVectors.scores.map(Float.init))
        let outcome = loss(scores, labels: SettingsVectors.labels, batch: 4, smoothing: 0.1)
        expectEqual([outcome.lossSum / 4], [SettingsVectors.loss], within: 1e-6)
        expectEqual(loss.gradient.values.map(Double.init), SettingsVectors.scoreGradient, within: 1e-6)
    }

    private func trainer(_ changes: [String: String], dataset: any Dataset = syntheticDataset(), name: String? = nil) throws -> Trainer {
        let run = RunDescription(name: "run", dataset: name ?? dataset.name, recipe: try recipe(changes), seed: 3, warmStart: nil)
        return try Trainer(run, dataset: dataset, threads: 1)
    }

    private func train(_ trainer: Trainer, steps: Int = .max) throws {
        var observer = SilentObserver()
        try trainer.train(checkpoint: nil, stepLimit: steps, observer: &observer)
    }

    /// Without momentum and decay the step of two mini-batches is −η times the mean of their gradients at the weights before, by images.
    @Test func accumulatedGradientsAreTheirMean() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/start.safetensors"
        let changes = [
            "momentum": "0", "weight_decay": "0", "batch_size": "100", "crop_padding": "0", "flip": "false", "rate": "0.5",
            "milestones": "[]"
        ]
        let start = try trainer(changes)
        try start.save(to: path)
        let before = start.network.weights[0].value.values
        var gradients: [[Float]] = []
        try start.gradients(at: Checkpoint(path: path), batches: 2) { _ in gradients.append(start.network.weights[0].gradient.values) }
        let pair = try trainer(changes.merging(["accumulation": "2"]) { $1 })
        try train(pair, steps: 1)
        #expect(pair.state.epoch == 1)  // 150 images: 100 and 50 make the one step of an epoch
        let expected = before.indices.map { before[$0] - 0.5 * (100 * gradients[0][$0] + 50 * gradients[1][$0]) / 150 }
        // One f32 rounding of sums of that size each; equal shares, or the sum in place of the mean, are off by over 1e-3.
        #expect(zip(pair.network.weights[0].value.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func validationImagesAreNoTrainingImages() throws {
        let whole = syntheticDataset()
        let parts = try whole.settingAside(30).sources(imageSize: nil)
        #expect(parts.train.count == 120 && parts.test.count == 30)
        func pixels(_ source: any ImageSource) throws -> Set<[Float]> {
            let reader = try source.reader(augmentation: nil, seed: 1)
            return Set(
                try (0..<source.count).map { image in
                    var pixels = [Float](repeating: 0, count: source.imageSize)
                    _ = try reader.read(image, epoch: 0, into: &pixels)
                    return pixels
                })
        }
        let (train, validation, all) = (try pixels(parts.train), try pixels(parts.test), try pixels(whole.train))
        #expect(train.count == 120 && train.isDisjoint(with: validation) && train.union(validation) == all)
        #expect(whole.settingAside(30).name == "synthetic, 30 validation images" && whole.settingAside(0).name == "synthetic")
        #expect(DatasetID("CIFAR-10").validating(5000).known == .cifar10)
        #expect(throws: (any Error).self) { _ = try whole.settingAside(150).sources(imageSize: nil) }
        let run = try trainer(["validation_images": "30"], name: "synthetic, 30 validation images")
        #expect(run.imagesPerEpoch == 120 && run.testImages == 30)
        // A run says on which images it is.
        let refusal = message { _ = try trainer(["validation_images": "30"]) }
        #expect(refusal.contains("\"synthetic\"") && refusal.contains("\"synthetic, 30 validation images\""))
        #expect(refusal.contains("dataset.id.validating(30).name"))
    }

    /// The statistics are those of the same images whatever the running ones were, and training does not notice.
    @Test func statisticsAreAveragedAnew() throws {
        let plain = try trainer([:]), anew = try trainer(["batch_norm_images": "90"])
        for trainer in [plain, anew] { try train(trainer, steps: 7) }
        _ = try anew.evaluate()
        let found = anew.network.statistics.map(\.tensor.values)
        for statistic in anew.network.statistics { statistic.tensor.fill(7) }
        _ = try anew.evaluate()
        #expect(anew.network.statistics.map(\.tensor.values) == found)
        #expect(plain.network.parameters.map(\.value.values) == anew.network.parameters.map(\.value.values))
        #expect(plain.network.statistics.map(\.tensor.values) != found)
        for trainer in [plain, anew] { try train(trainer) }
        #expect(plain.network.parameters.map(\.value.values) == anew.network.parameters.map(\.value.values))
        #expect(try anew.finalCorrect().count == 60)
    }

    /// Of one mini-batch they are its own: mean and variance of each channel of the first convolution, as a pass from 0 at rate 0.1 leaves
    /// a tenth of them.
    @Test func statisticsOfOneBatchAreItsOwn() throws {
        let changes = ["batch_size": "150", "crop_padding": "0", "flip": "false"]
        let one = try trainer(changes.merging(["batch_norm_images": "1"]) { $1 }), pass = try trainer(changes)
        _ = try one.evaluate()
        for statistic in pass.network.statistics { statistic.tensor.fill(0) }
        try train(pass, steps: 1)  // whose forward pass sees the same weights and images
        let pairs = zip(one.network.statistics, pass.network.statistics).flatMap { zip($0.tensor.values, $1.tensor.values) }
        // Two orders of 150 images: f32 sums; and 0.1 in f32.
        #expect(pairs.allSatisfy { abs($0 - 10 * $1) <= 1e-5 * max(1, abs($0)) })
    }

    /// Against the signs before and after each of an epoch's steps; a run without quantized weights has no such number.
    @Test func changesOfIntegersAreCounted() throws {
        let trainer = try trainer(["method": "bc", "weight_bits": "1", "activation_bits": "4", "rate": "0.5"])
        func signs() -> [Int8] {
            trainer.network.weights.flatMap { weight in
                weight.integerWeights.map { Array(UnsafeBufferPointer(start: $0, count: weight.value.count)) } ?? []
            }
        }
        var before = signs(), shares: [Double] = []
        while !trainer.state.curve.contains(where: { $0.epoch == 1 }) {
            try train(trainer, steps: 1)
            let now = signs()
            shares.append(100 * Double(zip(before, now).count { $0 != $1 }) / Double(now.count))
            before = now
        }
        let recorded = try #require(trainer.state.curve[0].integerChanges)
        #expect(abs(recorded - shares.reduce(0, +) / Double(shares.count)) < 1e-12 && recorded > 0)
        let float = try self.trainer([:])
        try train(float)
        #expect(float.state.curve.allSatisfy { $0.integerChanges == nil })
    }

    @Test func normsWithoutScaleAndShift() throws {
        let trainer = try trainer(["batch_norm_affine": "false"])
        try train(trainer)
        let norms = Set(trainer.network.graph.nodes.filter { $0.operation == .batchNorm }.map(\.name))
        for parameter in trainer.network.parameters {
            let owner = String(parameter.name.prefix(upTo: parameter.name.lastIndex(of: ".") ?? parameter.name.endIndex))
            guard norms.contains(owner) else { continue }
            let constant: Float = parameter.name.hasSuffix(".weight") ? 1 : 0
            #expect(parameter.value.values.allSatisfy { $0 == constant }, "\(parameter.name)")
        }
        #expect(norms.count > 1 && trainer.isFinished)
    }

    /// Nor is there another number in a checkpoint that a run goes on from, as a program that writes its own might make.
    @Test func normsWithoutScaleAndShiftGoOnFromSuch() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/foreign.safetensors", changes = ["batch_norm_affine": "false"]
        let foreign = try trainer(changes)
        try #require(foreign.network.parameters.first { $0.name == "bn1.bias" }).value.pointer[0] = 0.5
        try foreign.save(to: path)
        let refusal = message { try trainer(changes).restore(Checkpoint(path: path)) }
        #expect(refusal.hasPrefix("with batch_norm_affine: false bn1.bias stays 0, but \(path) holds 0.5 there"), "\(refusal)")
    }

    /// What a run keeps at 1 and 0, the one that it starts from must not have learned.
    @Test(arguments: ["true", "false"]) func normsWithoutScaleAndShiftStartFromSuch(_ affine: String) throws {
        let folder = try TemporaryFolder(), path = folder.path + "/float.safetensors"
        let float = try trainer(["batch_norm_affine": affine, "epochs": "1", "milestones": "[]"])
        try train(float)
        try float.save(to: path)
        let next = try trainer(quantizedChanges.merging(["batch_norm_affine": "false"]) { $1 })
        guard affine == "true" else { return try next.warmStart(from: Checkpoint(path: path), of: float.run) }
        let refusal = message { try next.warmStart(from: Checkpoint(path: path), of: float.run) }
        #expect(refusal.hasPrefix("with batch_norm_affine: false bn1.weight stays 1, but \(path) holds "), "\(refusal)")
    }

    /// α starts at the half-normal distribution's best step size (0.65077 at 2 bits: `HalfNormalStepSizeTests`) and, at a rate of 0, stays.
    @Test func stepSizesOfTheHalfNormal() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/float.safetensors"
        let float = try trainer([:])
        var observer = SilentObserver()
        try float.train(checkpoint: path, observer: &observer)
        let quantized = try trainer([
            "method": "bc", "activation_bits": "2", "resolution_rate_factor": "0", "step_size_start": "half-normal",
            "resolution_minimum": "0.001"
        ])
        try quantized.warmStart(from: Checkpoint(path: path), of: float.run)
        func stepSizes() -> [Float] { quantized.network.parameters.filter { $0.kind == .stepSize }.map { $0.value.pointer[0] } }
        #expect(stepSizes().count > 5 && stepSizes().allSatisfy { abs($0 - 0.65077) < 1e-5 })
        try train(quantized)
        #expect(stepSizes().allSatisfy { abs($0 - 0.65077) < 1e-5 })
    }
}
