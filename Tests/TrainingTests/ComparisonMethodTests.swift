// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// LSQ, PACT and DoReFa in networks, by recipe.
@Suite(.serialized) struct ComparisonMethodTests {
    static let methods = [
        "lsq": [
            "weight_bits": "2", "activation_bits": "4", "weight_quantizer": "lsq", "activation_quantizer": "lsq",
            "resolution_rate_factor": "1",
            "resolution_minimum": "1.0e-6"
        ],
        "lsq per channel": [
            "weight_bits": "4", "activation_bits": "2", "weight_quantizer": "lsq", "scaling": "per-channel", "resolution_minimum": "1.0e-6"
        ],
        "pact": [
            "weight_bits": "2", "activation_bits": "4", "weight_quantizer": "dorefa", "activation_quantizer": "pact",
            "resolution_rate_factor": "1",
            "resolution_decay": "1.0e-4"
        ],
        "dorefa": [
            "weight_bits": "1", "activation_bits": "2", "weight_quantizer": "dorefa", "activation_quantizer": "dorefa",
            "resolution_decay": "1"
        ]
    ]

    private func trainer(_ method: String, _ precision: Precision) throws -> Trainer {
        let changes = try #require(Self.methods[method])
        let recipe = try recipe(changes.merging(["method": "bc"]) { $1 })
        return try Trainer(
            RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: nil, precision: precision),
            dataset: syntheticDataset(), threads: 1)
    }

    /// 20 steps bring the loss down; a checkpoint in the middle gives the network back by the quantizers' names, and the run its bits.
    @Test(arguments: methods.keys.sorted(), Precision.allCases) func trainsAndResumes(_ method: String, _ precision: Precision) throws {
        let folder = try TemporaryFolder(), path = folder.path + "/run.safetensors"
        var observer = SilentObserver()
        let (unbroken, broken, resumed) = (try trainer(method, precision), try trainer(method, precision), try trainer(method, precision))
        try unbroken.train(checkpoint: nil, stepLimit: 7, observer: &observer)
        try broken.train(checkpoint: path, stepLimit: 7, observer: &observer)
        let checkpoint = try Checkpoint(path: path)
        #expect(try checkpoint.graph(input: resumed.network.input, classes: resumed.network.classes) == resumed.network.graph)
        try resumed.restore(checkpoint)
        for trainer in [unbroken, resumed] { try trainer.train(checkpoint: nil, observer: &observer) }
        let same = zip(unbroken.network.parameters, resumed.network.parameters).allSatisfy {
            $0.value.values == $1.value.values && $0.momentum.values == $1.momentum.values
        }
        #expect(same && unbroken.isFinished)
        let losses = unbroken.state.curve.map(\.trainLoss)
        #expect(try #require(losses.last) < 0.8 * losses[0], "\(losses)")
    }

    /// Weights are levels times their learned step sizes, in the grid, after every step; what is fixed stays, decay or not.
    @Test(arguments: Precision.allCases) func stepSizesAreLearnedOrFixed(_ precision: Precision) throws {
        var observer = SilentObserver()
        for method in ["lsq", "lsq per channel"] {
            let trainer = try trainer(method, precision), slices = method == "lsq" ? 1 : 8
            let weight = try #require(trainer.network.weights.first),
                steps = try #require(trainer.network.parameters.first { $0.name == weight.name + ".resolution" })
            #expect(
                weight.name == "conv1.weight" && steps.kind == .stepSize && steps.value.count == (slices == 1 ? 1 : weight.value.shape[0]))
            let function = try LSQ(bits: method == "lsq" ? 2 : 4, isSigned: true), length = weight.value.count / steps.value.count
            // 2⟨|w|⟩/√qmax of the first slice.
            let mean = weight.value.values.prefix(length).reduce(0.0) { $0 + Double($1.magnitude) } / Double(length),
                before = steps.value.values
            #expect(abs(Double(before[0]) - 2 * mean / Double(function.grid.upperBound).squareRoot()) < 1e-6)
            try trainer.train(checkpoint: nil, stepLimit: 3, observer: &observer)
            #expect(zip(steps.value.values, before).allSatisfy { $0 != $1 })
            let integers = try #require(weight.integerWeights)
            #expect(
                (0..<weight.value.count).allSatisfy { i in
                    let step = steps.value.values[i / length]
                    return weight.scales[i / length] == step && Int(integers[i]) == function.level(weight.value.values[i], stepSize: step)
                })
        }
        let dorefa = try trainer("dorefa", precision)
        try dorefa.train(checkpoint: nil, stepLimit: 3, observer: &observer)
        #expect(dorefa.network.parameters.filter { $0.kind == .stepSize }.allSatisfy { $0.value.values == [1 / 3] })
    }

    /// The gradient in a learned step size is the function's, of the gradient in the quantized weights, times 1/√(N·qmax).
    @Test func gradientsOfLearnedStepSizes() throws {
        let graph = try NetworkGraph(FeatureShape(height: 4, width: 4, channels: 3)) {
            $0.conv("conv", 4, kernel: 3).norm("bn").act("act").meanPool().linear("fc", 3)
        }
        .quantized(.quantized(try LSQ(bits: 4)), WeightQuantization(try LSQWeights(bits: 3)))
        let network = try Network(graph, in: ExecutionContext(engine: try Engine(threads: 1), batch: 2))
        network.initialize(seed: 2)
        network.tensors.project(threads: 1)
        let images = Tensor([2, 4, 4, 3], (0..<96).map { Float($0 % 7) - 3 })
        _ = try network.forward(images, batch: 2, mode: .calibration)
        let scores = try network.forward(images, batch: 2, mode: .training)
        try network.backward(scores, batch: 2)
        let weight = network.weights[0], steps = network.tensors["conv.weight.resolution"],
            (w, g) = (weight.value.values, weight.gradient.values)
        network.tensors.takeCoarseGradients(threads: 1)
        let function = try LSQ(bits: 3, isSigned: true), s = steps.value.values[0]
        let sum = zip(w, g).reduce(0.0) { $0 + Double(function.stepSizeDerivative($1.0, stepSize: s)) * Double($1.1) }
        #expect(abs(Double(steps.gradient.values[0]) - sum / (108.0 * 3).squareRoot()) < 1e-6 * abs(sum) && sum != 0)
        #expect(weight.gradient.values == zip(w, g).map { function.inputDerivative($0, stepSize: s) * $1 })
        // Of the activation: N is what one image has of it.
        #expect(try LSQ(bits: 4).stepSizeGradientScale(features: 64) == 1 / Float(64 * 15).squareRoot())
    }

    /// Twenty channels, which low precision pads to 32: the padding takes no part in the first step size, nor in N.
    @Test func everyPrecisionCountsTheSameNumbers() throws {
        let graph = try NetworkGraph(FeatureShape(height: 6, width: 6, channels: 3)) {
            $0.conv("conv1", 20, kernel: 3).norm("bn1").act("act1").conv("conv2", 20, kernel: 3).norm("bn2").act("act2").meanPool().linear(
                "fc", 3)
        }.quantized(.quantized(try LSQ(bits: 4)), WeightQuantization(try LSQWeights(bits: 3)))
        let images = Tensor([2, 6, 6, 3], (0..<216).map { Float($0 * $0 % 11) / 5 - 1 })
        let found = try Precision.allCases.map { precision in
            let network = try Network(graph, precision: precision, in: ExecutionContext(engine: try Engine(threads: 1), batch: 2))
            network.initialize(seed: 2)
            network.tensors.project(threads: 1)
            _ = try network.forward(images, batch: 2, mode: .calibration)
            try network.backward(try network.forward(images, batch: 2, mode: .training), batch: 2)
            let steps = network.tensors["act2.resolution"]
            return (step: Double(steps.value.values[0]), gradient: Double(steps.gradient.values[0]))
        }
        // Weights are the same integers, gradients of 16 bits; padding would make the one 20/32 and the other √(20/32) of what it is.
        for low in found.dropFirst() {
            #expect(abs(found[0].step / low.step - 1) < 0.01 && abs(found[0].gradient / low.gradient - 1) < 0.1, "\(found)")
        }
    }

    @Test(arguments: [
        (["weight_bits": "1", "weight_quantizer": "lsq"], "weight_bits must be 2 to 8, or 32, with weight_quantizer: lsq, not 1"),
        (["weight_bits": "8", "weight_quantizer": "dorefa"], "weight_bits must be 1 to 7, or 32, with weight_quantizer: dorefa, not 8")
    ]) func impossibleBits(_ changes: [String: String], _ words: String) {
        #expect(message { _ = try recipe(changes.merging(["method": "bc", "activation_bits": "4"]) { $1 }) } == words)
    }
}
