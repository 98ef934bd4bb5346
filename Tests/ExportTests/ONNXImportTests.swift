// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Datasets
import Export
import Foundation
import TestSupport
import Testing

/// Files that other programs could have written, node by node: what a packed model cannot say is refused, never computed otherwise.
@Suite struct ONNXImportTests {
    private static let qonnx = ONNXGraph.qonnx
    /// Weights of 16 channels of a 1×1 convolution on one channel.
    private static let weights = (0..<16).map { Float($0) - 7.5 }

    /// image [1, 4, 4] → Conv → `middle` → Quant of 4 bits (`scale`) → `after` → mean → two classes.
    private func network(
        weights: (inout ONNXGraph) -> String = { $0.constant("w", [16, 1, 1, 1], Self.weights) }, scale: Float = 0.5, bits: Float = 4,
        rounding: String = "ROUND", middle: (inout ONNXGraph, String) -> String = { $1 },
        after: (inout ONNXGraph, String) -> String = { $1 }
    ) -> [UInt8] {
        var graph = ONNXGraph()
        let sum = graph.node("Conv", ["image", weights(&graph)], name: "conv")
        let quantizer = [middle(&graph, sum), graph.constant("s", [], [scale]), graph.constant("z", [], [Float(0)])]
        let levels = graph.node(
            "Quant", quantizer + [graph.constant("bits", [], [bits])], name: "levels", domain: Self.qonnx,
            [("signed", .int(0)), ("narrow", .int(0)), ("rounding_mode", .string(rounding))])
        let mean = graph.node("Flatten", [graph.node("GlobalAveragePool", [after(&graph, levels)], name: "mean")], name: "features")
        let matrix = graph.constant("m", [2, 16], (0..<32).map { Float($0 % 5) })
        _ = graph.node("Gemm", [mean, matrix, graph.constant("bias", [2], [Float(0), 1])], name: "scores", [("transB", .int(1))])
        return [UInt8](graph.encoded(name: "test", input: ("image", [1, 4, 4]), output: ("scores", [2]), facts: []))
    }

    private static let format = ImageFormat(
        height: 4, width: 4, channels: 1, classes: ["a", "b"], normalization: PixelNormalization(mean: [0.5], std: [0.25]))

    private func imported(_ bytes: [UInt8]) throws -> PackedModel {
        try packedModel(onnx: bytes, provenance: "test") { _ in Self.format }
    }

    private func refusal(_ bytes: [UInt8]) -> String { message { _ = try imported(bytes) } }

    private func scores(_ bytes: [UInt8]) throws -> [Float] {
        try Classifier(try imported(bytes)).scores(of: (0..<16).map { UInt8($0 * 16) })
    }

    /// Names of units come from foreign files, whose nodes may share one or be called as a result is here.
    @Test func namesOfResultsAreUnique() {
        var graph = ONNXGraph()
        let names = ["a", "a", "scores", "image"].map { graph.node("Conv", [], name: $0) }
        #expect(names == ["a", "a.2", "scores.2", "image.2"] && graph.constant("a", [], [Float(1)]) == "a.3")
        #expect(graph.node("Gemm", [], name: "scores") == "scores")
    }

    /// A ReLU is part of a quantizer of levels from 0, also with a factor above 0 between them; with anything else between them it is
    /// not: Conv → ReLU → Add(1) has no negative number, Conv → Add(1) has.
    @Test func reluOnlyRightBeforeAQuantizer() throws {
        let plain = try scores(network())
        #expect(try scores(network(middle: { $0.node("Relu", [$1], name: "relu") })) == plain)
        let doubled = network(
            scale: 1,
            middle: {
                let relu = $0.node("Relu", [$1], name: "relu")
                return $0.node("Mul", [relu, $0.constant("two", [], [Float(2)])], name: "doubled")
            })
        #expect(try scores(doubled) == scores(network(scale: 0.5)).enumerated().map { i, x in Float(i) + 2 * (x - Float(i)) })
        for (type, value) in [("Add", Float(1)), ("Sub", 1), ("Mul", -1), ("Div", -1)] {
            let bytes = network(middle: {
                let relu = $0.node("Relu", [$1], name: "relu")
                return $0.node(type, [relu, $0.constant("one", [], [value])], name: "after")
            })
            #expect(message { _ = try imported(bytes) }.contains("\(type) after.node: follows a ReLU"))
        }
        let normalized = network(middle: { graph, sum in
            let relu = graph.node("Relu", [sum], name: "relu"), ones = graph.constant("ones", [16], [Float](repeating: 1, count: 16))
            return graph.node("BatchNormalization", [relu, ones, ones, ones, ones], name: "norm")
        })
        #expect(message { _ = try imported(normalized) }.contains("BatchNormalization norm.node: follows a ReLU"))
    }

    /// −8 is a weight of 4 bits unless `narrow` says otherwise; other roundings than to nearest are other numbers; a step size behind Ceil
    /// rounds twice.
    @Test func quantizersOfQONNX() throws {
        func quantized(narrow: Int, rounding: String) -> [UInt8] {
            network(weights: { graph in
                let inputs = [
                    graph.constant("w", [16, 1, 1, 1], Self.weights.map { $0 - 0.3 }), graph.constant("ws", [], [Float(1)]),
                    graph.constant("wz", [], [Float(0)]), graph.constant("wb", [], [Float(4)])
                ]
                return graph.node(
                    "Quant", inputs, name: "wq", domain: Self.qonnx,
                    [("signed", .int(1)), ("narrow", .int(narrow)), ("rounding_mode", .string(rounding))])
            })
        }
        #expect(try imported(quantized(narrow: 0, rounding: "ROUND")).integerWeights(0).min() == -8)
        #expect(try imported(quantized(narrow: 1, rounding: "HALF_EVEN")).integerWeights(0).min() == -7)
        // A 0 that is not written, as others may: field 3 (i) becomes one that nobody knows, and the type, field 20, stays INT.
        var bytes = quantized(narrow: 0, rounding: "ROUND")
        let written: [UInt8] = [0x18, 0, 0xa0, 1, 2]
        let places = bytes.indices.dropLast(4).filter { Array(bytes[$0..<$0 + 5]) == written }
        for place in places { bytes[place] = 0x78 }
        #expect(try places.count == 3 && imported(bytes).integerWeights(0).min() == -8)
        #expect(message { _ = try imported(quantized(narrow: 1, rounding: "FLOOR")) }.contains("rounds weights by FLOOR"))
        let ceiled = network(scale: 2, middle: { $0.node("Ceil", [$1], name: "ceil") })
        #expect(message { _ = try imported(ceiled) }.contains("behind Ceil, expected 1"))
    }

    /// `int32_data` holds the bits of 16-bit floats (onnx.proto): 1, 0.5 and −2 are 15360, 14336 and 49152; `double_data` is read too.
    @Test func numbersInTypedFields() throws {
        func varint(_ value: Int) -> [UInt8] {
            value < 128 ? [UInt8(value)] : [UInt8(value & 127) | 128] + varint(value >> 7)
        }
        let bits = [15360, 14336, 49152] + [Int](repeating: 15360, count: 13)
        let half = network(weights: { $0.constant("w", [16, 1, 1, 1], type: 10, Data(bits.flatMap(varint)), field: 5) })
        #expect(try imported(half).floatWeights(0).prefix(4) == [1, 0.5, -2, 1])
        let double = (0..<16).map { Double($0) }.withUnsafeBytes { Data($0) }
        let doubles = network(weights: { $0.constant("w", [16, 1, 1, 1], type: 11, double, field: 10) })
        #expect(try imported(doubles).floatWeights(0).prefix(3) == [0, 1, 2])
        let packed = network(weights: { $0.constant("w", [16, 1, 1, 1], type: 22, Data(bits.flatMap(varint)), field: 5) })
        #expect(message { _ = try imported(packed) }.contains("type number 22 in int32_data"))
        let huge = network(weights: { $0.constant("w", [.max], type: 22, Data([1])) })
        #expect(message { _ = try imported(huge) }.contains("damaged"))
    }

    /// Attributes, optional inputs and domains under which a node computes something else.
    @Test func variantsOfNodes() throws {
        for (attributes, value, refused) in [
            ([], nil, "GlobalAveragePool"), ([("mode", .string("constant"))], 0, "GlobalAveragePool"),
            ([("mode", .string("reflect"))], nil, "Pad pad.node: pads in the mode reflect"), ([], 7, "Pad pad.node: pads in the mode const")
        ] as [([(String, ONNXGraph.Attribute)], Float?, String)] {
            let bytes = network(after: { graph, levels in
                let pads = graph.constant("pads", [8], [Float](repeating: 0, count: 8))
                let values = value.map { [graph.constant("value", [], [$0])] } ?? []
                return graph.node("Pad", [levels, pads] + values, name: "pad", attributes)
            })
            #expect(refusal(bytes).contains(refused))
        }
        for (type, part) in [(0, "Quant levels.node: stands inside"), (2, "Quant levels.node: stands inside"), (3, "output_dtype 3")] {
            let bytes = network(middle: {
                $0.node("QuantizeLinear", [$1, $0.constant("qs", [], [Float(1)])], name: "q", [("output_dtype", .int(type))])
            })
            #expect(refusal(bytes).contains(part))
        }
        func normalized(isTraining: Int) -> [UInt8] {
            network(middle: { graph, sum in
                let ones = graph.constant("ones", [16], [Float](repeating: 1, count: 16))
                return graph.node(
                    "BatchNormalization", [sum, ones, ones, ones, ones], name: "norm", [("training_mode", .int(isTraining))])
            })
        }
        _ = try imported(normalized(isTraining: 0))
        #expect(refusal(normalized(isTraining: 1)).contains("training_mode 1, expected 0"))
        _ = try imported(network(middle: { $0.node("Relu", [$1], name: "relu", domain: "ai.onnx") }))
        for domain in ["com.microsoft", ONNXGraph.qonnx] {
            #expect(refusal(network(middle: { $0.node("Relu", [$1], name: "relu", domain: domain) })).contains("of the domain \(domain)"))
        }
    }

    /// Scales that broadcast over something else than output channels, blocks of them, and parts of bits.
    @Test func variantsOfScales() throws {
        let ones = [Float](repeating: 1, count: 16)
        func dequantized(_ shape: [Int], block: Int) -> [UInt8] {
            network(weights: { graph in
                let integers = [Int8](repeating: 3, count: 16).withUnsafeBytes { Data($0) }
                let inputs = [graph.constant("w", [16, 1, 1, 1], type: 3, integers), graph.constant("ws", shape, ones)]
                return graph.node("DequantizeLinear", inputs, name: "wq", [("axis", .int(0)), ("block_size", .int(block))])
            })
        }
        func quantized(_ shape: [Int], bits: Float) -> [UInt8] {
            network(weights: { graph in
                let inputs = [
                    graph.constant("w", [16, 1, 1, 1], Self.weights), graph.constant("ws", shape, ones),
                    graph.constant("wz", [], [Float(0)]), graph.constant("wb", [], [bits])
                ]
                return graph.node("Quant", inputs, name: "wq", domain: ONNXGraph.qonnx, [("signed", .int(1)), ("narrow", .int(1))])
            })
        }
        #expect(try imported(dequantized([16], block: 0)).scales(0) == ones)
        #expect(refusal(dequantized([16], block: 1)).contains("block_size 1, expected 0"))
        #expect(refusal(dequantized([16, 1, 1, 1], block: 0)).contains("scales of the shape [16, 1, 1, 1]"))
        #expect(try imported(quantized([16, 1, 1, 1], bits: 4)).scales(0) == ones)
        #expect(refusal(quantized([16], bits: 4)).contains("scales of the shape [16]"))
        #expect(refusal(quantized([1, 16, 1, 1], bits: 4)).contains("scales of the shape [1, 16, 1, 1]"))
        #expect(refusal(quantized([16, 1, 1, 1], bits: 4.5)).contains("weights of 4.5 bits"))
        #expect(refusal(network(bits: 4.5)).contains("activations of 4.5 bits"))
        func biased(_ shape: [Int]) -> [UInt8] {
            network(middle: { $0.node("Add", [$1, $0.constant("b", shape, ones)], name: "biased") })
        }
        #expect(try scores(biased([1, 16, 1, 1])) == scores(biased([16, 1, 1])))
        #expect(refusal(biased([16, 1, 1, 1])).contains("a constant of shape [16, 1, 1, 1]"))
    }

    /// Many nodes on one constant, each with numbers of its own, would take more memory than there is.
    @Test func numbersMadeOfConstantsAreBounded() throws {
        func clipped(_ count: Int) -> [UInt8] {
            network(weights: { graph in
                let limits = [graph.constant("low", [], [Float(-7)]), graph.constant("high", [], [Float(7)])]
                let weights = graph.constant("w", [16, 1, 1, 1], Self.weights)
                return (0..<count).reduce(weights) { graph.node("Clip", [$0] + limits, name: "clip\($1)") }
            })
        }
        func imported(_ bytes: [UInt8]) throws {
            _ = try packedModel(onnx: bytes, provenance: "test", mostNumbers: 1000) { _ in Self.format }
        }
        try imported(clipped(50))
        #expect(message { try imported(clipped(70)) }.contains("Clip clip62.node: makes 1008 numbers of constants"))
    }

    /// A constant of 65,025 bytes as the weights of many convolutions would unpack to more memory than there is.
    @Test func manyConvolutionsOfOneConstant() {
        let bytes = network(weights: { graph in
            let levels = [UInt8](repeating: 0, count: 255 * 255).withUnsafeBytes { Data($0) }
            let kernel = graph.constant("k", [1, 1, 255, 255], type: 3, levels)
            var weights = graph.node("DequantizeLinear", [kernel, graph.constant("ks", [], [Float(1)])], name: "kq")
            for index in 0..<300 { weights = graph.node("Identity", [weights], name: "same\(index)") }
            return weights
        })
        #expect(message { _ = try imported(bytes) }.contains("pixels"))
    }
}
