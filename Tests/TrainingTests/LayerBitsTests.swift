// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// `layer_bits`: bits of single layers.
@Suite struct LayerBitsTests {
    private static let input = FeatureShape(height: 8, width: 8, channels: 3)

    private func recipe(_ bits: [String: Int], _ more: [String: String] = [:]) throws -> Recipe {
        var recipe = try TrainingTests.recipe(quantizedChanges.merging(more) { $1 })
        recipe.layerBits = bits
        try recipe.validate()
        return recipe
    }

    @Test func layersHaveTheBitsThatAreNamed() throws {
        let graph = try recipe(["first": 8, "fc": 4, "layer1.0.conv1": 32, "act1": 8, "layer2.0.act2": 32]).graph(
            input: Self.input, classes: 4)
        var (weights, activations): ([String: Int], [String: Int]) = ([:], [:])
        for node in graph.nodes {
            switch node.operation {
            case .convolution, .linear: weights[node.name] = node.operation.weights?.bits ?? 32
            case .activation(let function): activations[node.name] = (function.quantizer as? QuantizedReLU)?.bits ?? 32
            default: break
            }
        }
        #expect(weights["conv1"] == 8 && weights["fc"] == 4 && weights["layer1.0.conv1"] == 32 && weights["layer1.0.conv2"] == 1)
        #expect(activations["act1"] == 8 && activations["layer2.0.act2"] == 32 && activations["layer1.0.act1"] == 4)
        // A layer's own name goes before its place, and both before the layers that the recipe quantizes.
        let inner = try recipe(["last": 8, "fc": 2], ["quantized_layers": "inner"]).graph(input: Self.input, classes: 4)
        #expect(inner.nodes.last?.operation.weights?.bits == 2 && inner.nodes.first?.operation.weights == nil)
    }

    @Test func unknownLayersAreRefused() throws {
        let error = #expect(throws: RecipeError.self) { try recipe(["conv9": 8]).graph(input: Self.input, classes: 4) }
        #expect(
            error?.description.contains(
                "layer_bits names conv9, which resnet8 does not have; there are act1, conv1, fc, first, last, layer1.0.act1") == true)
        #expect(throws: RecipeError.self) { try recipe(["fc": 9]) }
        #expect(throws: RecipeError.self) { try recipe(["fc": 8], ["method": "float", "weight_bits": "32", "activation_bits": "32"]) }
    }

    /// Bits that a quantizer cannot have, by the key and the layer that they are of.
    @Test(arguments: [
        ("dorefa", "first", 8, "layer_bits: first (conv1) must be 2 to 7, or 32 for none, not 8: bits of DoReFa's weights"),
        ("dorefa", "fc", 8, "layer_bits: fc must be 2 to 7, or 32 for none, not 8: bits of DoReFa's weights"),
        ("lsq", "conv1", 1, "layer_bits: conv1 must be 2 to 8, or 32 for none, not 1: bits of LSQ's weights")
    ])
    func impossibleBitsAreRefused(_ quantizer: String, _ key: String, _ bits: Int, _ words: String) throws {
        let recipe = try recipe([key: bits], ["method": "bc", "weight_bits": "2", "weight_quantizer": quantizer])
        let error = #expect(throws: RecipeError.self) { try recipe.graph(input: Self.input, classes: 4) }
        #expect(error?.description == words && error?.key == "layer_bits")
    }

    /// Bits of a layer that brings its quantizer would have no effect.
    @Test func layersWithQuantizersOfTheirOwnTakeNone() throws {
        let own = try NetworkGraph(Self.input) { $0.conv("a", 8, kernel: 3).norm("b").act("c").meanPool().linear("d", 4) }
            .quantized(.quantized(try PACT(bits: 4)), WeightQuantization(TernaryProjection()))
        for key in ["a", "c", "first", "last"] {
            let said = message { _ = try recipe([key: 8]).quantized(own) }
            #expect(said == "layer_bits: \(key) has a quantizer of its own in resnet8, which has its own bits: leave \(key) out")
        }
    }

    /// Levels and bf16 in one network: it trains, and an interrupted run goes on bit for bit.
    @Test(arguments: Precision.allCases) func mixedBitsTrainAndResume(_ precision: Precision) throws {
        let recipe = try recipe(["first": 8, "last": 8, "layer2.0.act2": 32, "act1": 8])
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: recipe, seed: 3, warmStart: nil, precision: precision)
        let folder = try TemporaryFolder()
        func fresh() throws -> Trainer { try Trainer(run, dataset: syntheticDataset(), threads: 1) }
        var observer = SilentObserver()
        let (whole, parts, path) = (try fresh(), try fresh(), folder.path + "/run.safetensors")
        try whole.train(checkpoint: nil, stepLimit: 6, observer: &observer)
        try parts.train(checkpoint: path, stepLimit: 3, observer: &observer)
        let resumed = try fresh()
        try resumed.restore(try Checkpoint(path: path))
        try resumed.train(checkpoint: nil, stepLimit: 3, observer: &observer)
        let same = bits(resumed) == bits(whole)
        #expect(same && whole.network.parameters.allSatisfy { $0.value.values.allSatisfy(\.isFinite) })
    }
}
