// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Graph
import Quantization
import Testing

@Suite struct GraphTests {
    private static let image = FeatureShape(height: 32, width: 32, channels: 3)

    private static func quantized(_ name: String, _ input: FeatureShape = image) throws -> NetworkGraph {
        try NetworkGraph.named(name, input: input, classes: 10).quantized(
            .quantized(try QuantizedReLU(bits: 4)), WeightQuantization(try WeightProjection(bits: 2, ternary: .authors), isPerChannel: true)
        )
    }

    @Test(arguments: ["resnet8", "vgg11", "imagenet-resnet18", "lenet5"]) func comesBackFromJSON(_ name: String) throws {
        for graph in [try NetworkGraph.named(name, input: Self.image, classes: 10), try Self.quantized(name)] {
            let again = try JSONDecoder().decode(NetworkGraph.self, from: JSONEncoder().encode(graph))
            #expect(again == graph && again.parameters == graph.parameters && again.shapes == graph.shapes)
        }
    }

    /// Sums by hand: 32² pixels · 27 · 16, then per stage 2n layers; LeNet-5: 28²·25·20 + 10²·25·20·50 … at 32×32×3: 28²·75·20 +
    /// 10²·500·50 + 1250·500 + 5000.
    @Test func multiplyAdds() throws {
        #expect(
            try NetworkGraph.named("lenet5", input: Self.image, classes: 10).multiplyAdds == 784 * 75 * 20 + 100 * 500 * 50 + 1250 * 500
                + 5000)
        // He et al.'s 41 million for ResNet-20: 27·16·1024 + 6·144·16·1024 + (144·32 + 5·288·32)·256 + (288·64 + 5·576·64)·64 + 640.
        let resnet20 = 442_368 + 6 * 2_359_296 + (144 * 32 + 5 * 288 * 32) * 256 + (288 * 64 + 5 * 576 * 64) * 64 + 640
        #expect(try NetworkGraph.named("resnet20", input: Self.image, classes: 10).multiplyAdds == resnet20)
    }

    /// The order that initial values depend on, as checkpoints of earlier versions have it.
    @Test func orderOfParameters() throws {
        let names = try Self.quantized("imagenet-resnet18").parameters.map(\.name)
        #expect(Array(names.prefix(4)) == ["conv1.weight", "bn1.weight", "bn1.bias", "act1.resolution"])
        let block = names.filter { $0.hasPrefix("layer2.0.") }.map { $0.dropFirst(9) }
        #expect(
            block == [
                "conv1.weight", "bn1.weight", "bn1.bias", "act1.resolution", "conv2.weight", "bn2.weight", "bn2.bias",
                "downsample.0.weight",
                "downsample.1.weight", "downsample.1.bias", "act2.resolution"
            ])
        #expect(
            try Self.quantized("vgg11").parameters.prefix(5).map(\.name) == [
                "conv0.weight", "conv0.bias", "bn0.weight", "bn0.bias", "act0.resolution"
            ])
    }

    @Test func unitsRunWhenWhatTheyReadIsThere() throws {
        let units = try Self.quantized("imagenet-resnet18").fused()
        let names = units.map(\.name)
        #expect(Array(names.prefix(3)) == ["conv1", "maxpool1", "layer1.0.conv1"] && names.last == "fc" && units.count == 22)
        let projection = try #require(names.firstIndex(of: "layer2.0.downsample.0"))
        #expect(names[projection - 1] == "layer2.0.conv1" && names[projection + 1] == "layer2.0.conv2")
        #expect(units[projection + 1].shortcut == .map(unit: projection) && units[projection].activation == nil)
        #expect(units[projection].input == units[projection - 1].input)
        let small = try Self.quantized("resnet8").fused()
        #expect(small.map(\.shortcut).contains(.subsampled(unit: 2, stride: 2)))
        // A linear layer with batch norm is a convolution over its map.
        let lenet = try Self.quantized("lenet5").fused()
        #expect(lenet.map(\.kind) == [.convolution, .maximum, .convolution, .maximum, .convolution, .classifier])
        #expect(lenet[4].kernel == 5 && lenet[4].padding == 0 && lenet[4].output.count == 500)
    }

    /// An activation gets a tensor with its quantizer: "a.weight.resolution" would be that of a's weights, too.
    @Test func tensorsHaveNamesOfTheirOwn() throws {
        let own = try NetworkGraph(FeatureShape(height: 8, width: 8, channels: 4)) {
            $0.conv("a", 4, kernel: 3).act("a.weight").conv("b", 4, kernel: 3).act("c").act("c")
        }
        try own.expectDistinctTensors()
        let quantized = own.quantized(.quantized(try LSQ(bits: 4)), WeightQuantization(try LSQWeights(bits: 4), isPerChannel: false))
        let error = #expect(throws: GraphError.self) { try quantized.expectDistinctTensors() }
        #expect(error?.description.contains("two tensors a.weight.resolution") == true, "\(String(describing: error))")
    }

    /// Readers of a checkpoint ask for the names of nodes with tensors; what training would keep, they must take.
    @Test(arguments: ["stem", ""]) func activationsWithQuantizersHaveNamesOfTheirOwn(_ name: String) throws {
        let own = try NetworkGraph(FeatureShape(height: 8, width: 8, channels: 4)) { $0.conv("stem", 4, kernel: 3).act(name) }
        try own.expectDistinctTensors()
        let quantized = own.quantized(.quantized(try QuantizedReLU(bits: 4)), nil)
        let error = #expect(throws: GraphError.self) { try quantized.expectDistinctTensors() }
        #expect(error?.description.contains("has tensors, so it needs a name of its own") == true, "\(String(describing: error))")
    }

    @Test func whatDoesNotFitIsRefused() throws {
        func expect(_ words: String, _ body: (Map) -> Map) {
            let error = #expect(throws: GraphError.self) { try NetworkGraph(FeatureShape(height: 8, width: 8, channels: 4), body) }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        }
        expect("reads a map of 9 pixels a side or more, not 8×8") { $0.conv("a", 4, kernel: 9, padding: 0) }
        expect("needs a name of its own") { $0.conv("a", 4, kernel: 3).norm("a") }
        expect("needs a name of its own") { $0.conv("", 4, kernel: 3) }
        expect("adds maps of one shape") { $0.conv("a", 8, kernel: 3).add($0) }
        expect("even number of channels") { $0.conv("a", 7, kernel: 3, stride: 2).add($0, .subsampled(stride: 2)) }
        expect("1 to 65536 channels, not 0") { $0.conv("a", 0, kernel: 3) }
        expect("kernel and a stride of 1 to 255") { $0.conv("a", 4, kernel: 3, stride: 0) }
        expect("needs a layer") { $0 }
        expect("node 1 (b) comes last, but the scores are those of node 0") {
            let scores = $0.conv("a", 4, kernel: 3)
            _ = scores.conv("b", 4, kernel: 3)
            return scores
        }
        // Of a file: twice the padding would overflow.
        expect("at most half of it as padding") { $0.maxPool(2, padding: .max) }
        expect("at most half of it as padding") { $0.maxPool(2, padding: -1) }
        expect("node 1 (b)") { $0.conv("a", 1, kernel: 8, padding: 0).conv("b", 4, kernel: 2, padding: 0).norm("c") }
        let error = #expect(throws: GraphError.self) {
            try NetworkGraph.named("lenet5", input: FeatureShape(height: 8, width: 8, channels: 1), classes: 2)
        }
        #expect(error?.description.hasPrefix("lenet5 on images of 8×8×1: node") == true)
    }

    /// Numbers of a file that no memory could hold, nodes that read later ones, quantizers that do not exist.
    @Test func damagedJSONIsRefused() throws {
        let text = String(decoding: try JSONEncoder().encode(try Self.quantized("resnet8")), as: UTF8.self)
        for (from, to) in [
            ("\"height\":32", "\"height\":0"), ("\"height\":32", "\"height\":99999999"), ("\"channels\":16", "\"channels\":70000"),
            ("\"inputs\":[0]", "\"inputs\":[5]"), ("\"inputs\":[0]", "\"inputs\":[]"), ("\"inputs\":[0]", "\"inputs\":[-2]"),
            ("\"bits\":4", "\"bits\":40"), ("\"kernel\":3", "\"kernel\":-3"), ("quantized-relu", "tanh"),
            ("\"kernel\":3", "\"kernel\":9223372036854775807")
        ] {
            #expect(text.contains(from))
            #expect(throws: (any Error).self, "\(to)") {
                try JSONDecoder().decode(NetworkGraph.self, from: Data(text.replacing(from, with: to).utf8))
            }
        }
    }

    @Test func whatLowPrecisionDoesNotKnow() throws {
        func expect(_ words: String, _ body: (Map) -> Map) throws {
            let graph = try NetworkGraph(FeatureShape(height: 8, width: 8, channels: 4), body)
            let error = #expect(throws: GraphError.self) { try graph.fused() }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        }
        try expect("a: in low precision a batch norm follows") { $0.conv("a", 4, kernel: 3).act("b").meanPool().linear("c", 2) }
        try expect("ends with one classifier") { $0.conv("a", 4, kernel: 3).norm("b").act("c") }
        try expect("only after a convolution") { $0.norm("b").meanPool().linear("c", 2) }
        try expect("the mean over pixels is followed by the classifier") {
            $0.conv("a", 4, kernel: 3).norm("b").act("c").meanPool().norm("d")
        }
        try expect("reads one pixel") { $0.conv("a", 4, kernel: 3).norm("b").act("c").linear("d", 2) }
    }
}
