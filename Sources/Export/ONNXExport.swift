// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Foundation

/// What becomes of quantization in an ONNX file. Maps are levels as f32 in all of them, so a layer is t = conv(L) + shortcut
/// with folded batch norm, and what follows.
public enum ONNXForm: String, CaseIterable, Sendable {
    /// Plain float operators: Conv, Add, Ceil, Clip.
    case float
    /// QONNX: integer weights through `BipolarQuant` or `Quant`, levels through `Quant` that rounds up.
    case qonnx
    /// QCDQ, of standard operators: integer weights as such (`ONNXWeights`) through `DequantizeLinear`; levels by Ceil and then
    /// QuantizeLinear, Clip, DequantizeLinear of scale 1.
    case qcdq
    /// Without rounding: Conv, Add, Relu. Another network with the same weights, for other programs' quantizers to start from.
    case unrounded
}

/// How a QCDQ file stores integer weights.
public enum ONNXWeights: String, CaseIterable, Sendable {
    case int8
    /// Those of at most 4 bits as INT4 (opset 21), others as int8.
    case int4
    /// Those of 1, 2 and 4 bits as in a packed model, looked up in a table of what each byte holds, others as int8.
    case packed
}

/// The packed model as an ONNX file: input `image`, f32 `[N, C, H, W]`, normalised as the metadata `mean` and `std` say (a
/// byte x is (x/255 − mean)/std); output `scores`, `[N, classes]`.
///
/// f32 rounds differently than the packed model where a sum is folded or reordered, so that a level next to a boundary may
/// come out one higher or lower.
/// - Parameters:
///   - model: a packed network.
///   - form: how quantizers are written.
///   - weights: of the form `qcdq`.
public func onnx(_ model: PackedModel, form: ONNXForm, weights: ONNXWeights = .int8) -> Data {
    var export = ONNXExport(model, form, weights)
    return export.encoded()
}

private struct ONNXExport {
    private let model: PackedModel
    private let form: ONNXForm
    private let storage: ONNXWeights
    private var graph = ONNXGraph()
    private var maps: [String] = []
    /// Bits whose table of bytes is there.
    private var tables: Set<Int> = []

    init(_ model: PackedModel, _ form: ONNXForm, _ storage: ONNXWeights) { (self.model, self.form, self.storage) = (model, form, storage) }

    mutating func encoded() -> Data {
        for (index, unit) in model.units.enumerated() {
            let input = unit.input < 0 ? "image" : maps[unit.input]
            switch unit.kind {
            case .first, .firstOfBytes, .convolution: maps.append(convolution(index, unit, input))
            case .maximum:
                maps.append(
                    graph.node("MaxPool", [input], name: unit.name, window(unit) + [("kernel_shape", .ints([unit.kernel, unit.kernel]))]))
            case .classifier: maps.append(classifier(index, unit, input))
            }
        }
        func list(_ values: [Float]) -> String { values.prefix(model.input.channels).map { "\($0)" }.joined(separator: ",") }
        return graph.encoded(
            name: "bcgd", input: ("image", [model.input.channels, model.input.height, model.input.width]),
            output: ("scores", [model.classes.count]),
            facts: [
                ("provenance", model.provenance), ("classes", model.classes.joined(separator: "\n")), ("mean", list(model.mean)),
                ("std", list(model.std))
            ])
    }

    private func window(_ unit: PackedModel.Unit) -> [(String, ONNXGraph.Attribute)] {
        [("strides", .ints([unit.stride, unit.stride])), ("pads", .ints([Int](repeating: unit.padding, count: 4)))]
    }

    private mutating func convolution(_ index: Int, _ unit: PackedModel.Unit, _ input: String) -> String {
        var t = [.qonnx, .qcdq].contains(form) ? integerSum(index, unit, input) : foldedSum(index, unit, input)
        if unit.shortcut != .none {
            let step = graph.constant(unit.name + ".step", [], [unit.step])
            let other = graph.node("Mul", [shortcut(index, unit), step], name: unit.name + ".shortcut")
            t = graph.node("Add", [t, other], name: unit.name + ".sum")
        }
        return unit.activationBits == 0 ? t : activation(unit, t)
    }

    /// t = conv(L, a·w) + b; w are the integer weights, or a first unit's own weights.
    private mutating func foldedSum(_ index: Int, _ unit: PackedModel.Unit, _ input: String) -> String {
        let (a, b) = model.floatNumbers(index)
        let plain = unit.readsImage ? model.floatWeights(index) : model.integerWeights(index).map { Float($0) }
        let per = plain.count / a.count
        let weights = graph.constant(unit.name + ".weight", weightShape(index), plain.enumerated().map { a[$0 / per] * $1 })
        let bias = graph.constant(unit.name + ".bias", [a.count], b)
        return graph.node("Conv", [input, weights, bias], name: unit.name + ".conv", window(unit))
    }

    /// t = a·conv(L, q) + b, with q through a quantizer; a first unit's weights are δ·q.
    private mutating func integerSum(_ index: Int, _ unit: PackedModel.Unit, _ input: String) -> String {
        let ((a, b), shape) = (model.floatNumbers(index), [1, unit.outputChannels, 1, 1])
        let sum = graph.node("Conv", [input, quantizedWeights(index, unit)], name: unit.name + ".conv", window(unit))
        let scaled = graph.node("Mul", [sum, graph.constant(unit.name + ".a", shape, a)], name: unit.name + ".scaled")
        return graph.node("Add", [scaled, graph.constant(unit.name + ".b", shape, b)], name: unit.name + ".shifted")
    }

    /// Through a quantizer whose scale is 1, but for a first unit's and a classifier's: sums of levels are exact integers then. A first
    /// unit's
    /// float weights stay as they are.
    private mutating func quantizedWeights(_ index: Int, _ unit: PackedModel.Unit) -> String {
        let name = unit.name
        if unit.weightBits == 32 { return graph.constant(name + ".weight", weightShape(index), model.floatWeights(index)) }
        if form == .qcdq { return dequantizedWeights(index, unit, unit.readsImage ? model.scales(index) : [1]) }
        // Quant divides by its scale; a channel of scale 0 has weights of 0, which every scale leaves.
        let scales = (unit.readsImage ? model.scales(index) : [1]).map { $0 == 0 && unit.weightBits > 1 ? 1 : $0 }
        let floats = unit.readsImage ? model.floatWeights(index) : model.integerWeights(index).map { Float($0) }
        let integerWeights = graph.constant(name + ".weight", weightShape(index), floats)
        let scale = graph.constant(name + ".scale", scales.count == 1 ? [] : [scales.count, 1, 1, 1], scales)
        return unit.weightBits == 1
            ? graph.node("BipolarQuant", [integerWeights, scale], name: name + ".codes", domain: ONNXGraph.qonnx)
            : quantizer([integerWeights, scale], bits: unit.weightBits, name: name + ".codes", isSigned: true, rounding: "ROUND")
    }

    /// Integer weights, as `storage` says, times their scale or scales.
    private mutating func dequantizedWeights(_ index: Int, _ unit: PackedModel.Unit, _ scales: [Float]) -> String {
        let (name, shape, weights) = (unit.name + ".weight", weightShape(index), model.integerWeights(index))
        let integers: String
        switch storage {
        case .int4 where unit.weightBits <= 4: integers = graph.constant4(name, shape, weights)
        case .packed where [1, 2, 4].contains(unit.weightBits) && weights.count % (8 / unit.weightBits) == 0:
            integers = lookedUp(name, shape, weights, bits: unit.weightBits)
        default: integers = graph.constant(name, shape, weights)
        }
        let scale = graph.constant(unit.name + ".scale", scales.count == 1 ? [] : [scales.count], scales)
        return graph.node("DequantizeLinear", [integers, scale], name: unit.name + ".codes", scales.count == 1 ? [] : [("axis", .int(0))])
    }

    /// The packed model's bytes, each of which stands for a row of the table: what it holds.
    private mutating func lookedUp(_ name: String, _ shape: [Int], _ weights: [Int8], bits: Int) -> String {
        let table = "table.\(bits)"
        if tables.insert(bits).inserted {
            let rows = (0..<256).map { UInt8($0) }.withUnsafeBytes {
                IntegerWeightPacking.unpack($0, at: 0, bits: bits, count: 256 * 8 / bits)
            }
            _ = graph.constant(table, [256, 8 / bits], rows)
        }
        let bytes = [UInt8](IntegerWeightPacking.pack(weights, bits: bits))
        let places = graph.node("Cast", [graph.constant(name + ".packed", [bytes.count], bytes)], name: name + ".bytes", [("to", .int(6))])
        let found = graph.node("Gather", [table, places], name: name + ".rows", [("axis", .int(0))])
        return graph.node("Reshape", [found, graph.constant(name + ".shape", [shape.count], shape.map { Int64($0) })], name: name)
    }

    private func weightShape(_ index: Int) -> [Int] {
        let unit = model.units[index], matrix = [unit.outputChannels, model.inputShape(index).channels]
        return unit.kind == .classifier ? matrix : matrix + [unit.kernel, unit.kernel]
    }

    private mutating func quantizer(_ inputs: [String], bits: Int, name: String, isSigned: Bool, rounding: String) -> String {
        let zero = graph.constant(name + ".zero", [], [Float(0)])
        let width = graph.constant(name + ".bits", [], [Float(bits)])
        return graph.node(
            "Quant", inputs + [zero, width], name: name, domain: ONNXGraph.qonnx,
            [("signed", .int(isSigned ? 1 : 0)), ("narrow", .int(isSigned ? 1 : 0)), ("rounding_mode", .string(rounding))])
    }

    private mutating func activation(_ unit: PackedModel.Unit, _ t: String) -> String {
        switch form {
        case .unrounded: return graph.node("Relu", [t], name: unit.name)
        case .qonnx:
            let one = graph.constant(unit.name + ".one", [], [Float(1)])
            return quantizer([t, one], bits: unit.activationBits, name: unit.name, isSigned: false, rounding: "CEIL")
        case .qcdq:
            let scale = graph.constant(unit.name + ".one", [], [Float(1)]), zero = graph.constant(unit.name + ".zero", [], [UInt8(0)])
            let rounded = graph.node("Ceil", [t], name: unit.name + ".ceil")
            let quantized = graph.node("QuantizeLinear", [rounded, scale, zero], name: unit.name + ".quantized")
            let top = graph.constant(unit.name + ".high", [], [UInt8(unit.qmax)])
            let clipped = graph.node("Clip", [quantized, zero, top], name: unit.name + ".levels")
            return graph.node("DequantizeLinear", [clipped, scale, zero], name: unit.name)
        case .float:
            let rounded = graph.node("Ceil", [t], name: unit.name + ".ceil")
            let limits = [graph.constant(unit.name + ".low", [], [Float(0)]), graph.constant(unit.name + ".high", [], [Float(unit.qmax)])]
            return graph.node("Clip", [rounded] + limits, name: unit.name)
        }
    }

    private mutating func shortcut(_ index: Int, _ unit: PackedModel.Unit) -> String {
        let map = maps[unit.shortcutInput]
        guard unit.shortcut == .subsampled else { return map }
        let (name, from, stride) = (unit.name + ".skip", model.shapes[unit.shortcutInput], Int64(unit.shortcutStride))
        let slice = [
            graph.constant(name + ".starts", [2], [Int64(0), 0]),
            graph.constant(name + ".ends", [2], [Int64(from.height), Int64(from.width)]),
            graph.constant(name + ".axes", [2], [Int64(2), 3]), graph.constant(name + ".steps", [2], [stride, stride])
        ]
        let small = graph.node("Slice", [map] + slice, name: name + ".slice")
        let margin = Int64(model.shapes[index].channels - from.channels) / 2
        let pads = graph.constant(name + ".pads", [8], [0, margin, 0, 0, 0, margin, 0, 0])
        return graph.node("Pad", [small, pads], name: name)
    }

    /// Weights times α: the features are mean levels.
    private mutating func classifier(_ index: Int, _ unit: PackedModel.Unit, _ input: String) -> String {
        let stepSize = model.units[unit.input].stepSize
        let mean = graph.node("GlobalAveragePool", [input], name: unit.name + ".mean")
        let features = graph.node("Flatten", [mean], name: unit.name + ".features")
        let weights =
            form == .qcdq && unit.weightBits != 32
            ? dequantizedWeights(index, unit, model.scales(index).map { stepSize * $0 })
            : graph.constant(unit.name + ".weight", weightShape(index), model.floatWeights(index).map { stepSize * $0 })
        let bias = graph.constant(unit.name + ".bias", [unit.outputChannels], model.b(index))
        return graph.node("Gemm", [features, weights, bias], name: "scores", [("transB", .int(1))])
    }
}
