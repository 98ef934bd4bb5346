// SPDX-License-Identifier: GPL-3.0-or-later

/// QONNX's `Quant` and `BipolarQuant`, and QCDQ's QuantizeLinear, Clip and DequantizeLinear.
extension ONNXNetwork {
    /// Of QONNX's quantizers; the second is what Brevitas called the first before.
    private static let quantizerDomains = [ONNXGraph.qonnx, "onnx.brevitas"]

    /// Other domains may mean other things by the same names of operators.
    func expectKnownDomain(_ node: ONNXFile.Node) throws {
        let isQuantizer = ["Quant", "BipolarQuant"].contains(node.type)
        guard ["", "ai.onnx"].contains(node.domain) || isQuantizer && Self.quantizerDomains.contains(node.domain) else {
            throw fail(node, "is of the domain \(node.domain), expected ONNX's own operators, and QONNX's Quant and BipolarQuant")
        }
    }

    private func isWhole(_ bits: Double, in allowed: ClosedRange<Double>) -> Bool { allowed.contains(bits) && bits == bits.rounded() }

    /// Quant(x, scale, zero point, bits) and BipolarQuant(x, scale): of weights, or of activations.
    mutating func quant(_ node: ONNXFile.Node) throws -> ONNXValue {
        let isBinary = node.type == "BipolarQuant", mode = node.texts["rounding_mode"] ?? "ROUND"
        if case .constant(let tensor) = try value(node, 0) {
            let scale = try constant(node, 1), (zero, bits) = isBinary ? (0, 1) : (try scalar(node, 2), try scalar(node, 3))
            guard isBinary || isWhole(bits, in: 2...8) && node.integers["signed"] ?? [1] == [1] && zero == 0 else {
                throw fail(node, "weights of \(bits) bits, expected a whole number of 2 to 8 signed ones without zero point")
            }
            guard isBinary || ["ROUND", "HALF_EVEN"].contains(mode.uppercased()) else {
                throw fail(node, "rounds weights by \(mode), expected ROUND, to nearest, halves to even")
            }
            let top = isBinary ? 1 : Double(1 << (Int(bits) - 1) - 1), low = node.integers["narrow"] ?? [0] == [0] ? -top - 1 : -top,
                scales = scale.numbers,
                per = tensor.numbers.count / max(scales.count, 1),
                perOutput = tensor.shape.enumerated().map { $0.offset == 0 ? $0.element : 1 }
            guard scales.count == 1 || scale.shape == perOutput, scales.allSatisfy({ ($0 > 0 || isBinary && $0 == 0) && $0.isFinite }),
                !tensor.numbers.isEmpty
            else {
                throw fail(node, "scales of the shape \(scale.shape), expected one, or one an output channel (\(perOutput)), above 0")
            }
            let integers = tensor.numbers.enumerated().map { i, x in
                // In f32, as the network was trained.
                let ratio = Double(Float(x) / Float(scales[scales.count == 1 ? 0 : i / per])).rounded(.toNearestOrEven)
                return isBinary ? (x >= 0 ? 1 : -1) : min(max(ratio, low), top)
            }
            return .weights(try checked(tensor.shape, integers, scales, node))
        }
        let sum = try pending(node), modes = ["ROUND": 0.5, "HALF_EVEN": 0.5, "CEIL": 0]
        let (scale, zero, bits) = (try scalar(node, 1), try scalar(node, 2), try scalar(node, 3))
        guard !isBinary, let offset = modes[mode.uppercased()], node.integers["signed"] ?? [1] == [0],
            node.integers["narrow"] ?? [0] == [0], zero == 0, isWhole(bits, in: 1...8)
        else {
            throw fail(
                node,
                "activations of \(bits) bits, zero point \(zero), rounding \(mode): expected 1 to 8 whole unsigned bits without zero "
                    + "point, rounded to nearest or up"
            )
        }
        try expectUnit(scale, behindCeilOf: sum, node)
        let unit = try finish(sum, stepSize: scale, top: 1 << Int(bits) - 1, roundingOffset: sum.isCeiled ? 0 : offset, node)
        return .map(unit: unit, channels: sum.channels)
    }

    private func zeroPoint(_ node: ONNXFile.Node, _ place: Int) throws -> Int {
        guard node.inputs.count > place, !node.inputs[place].isEmpty else { return 2 }
        let tensor = try constant(node, place)
        guard tensor.numbers.allSatisfy({ $0 == 0 }) else { throw fail(node, "a zero point, which packed models have none of") }
        return tensor.type
    }

    func quantized(_ node: ONNXFile.Node) throws -> PendingUnit {
        if case .image = try value(node, 0) {
            throw fail(node, "quantizes the image; a packed model's first convolution reads float pixels")
        }
        try expect("output_dtype", in: [0, 2], node)  // unstated, or UINT8
        try expect("block_size", in: [0], node)
        var sum = try pending(node)
        guard try zeroPoint(node, 2) == 2 else { throw fail(node, "gives signed levels, expected unsigned bytes") }
        let scale = try scalar(node, 1)
        try expectUnit(scale, behindCeilOf: sum, node)
        sum.quantized = (scale, 255)
        return sum
    }

    private func expectUnit(_ scale: Double, behindCeilOf sum: PendingUnit, _ node: ONNXFile.Node) throws {
        guard !sum.isCeiled || scale == 1 else { throw fail(node, "a step size of \(scale) behind Ceil, expected 1") }
    }

    func clipped(_ node: ONNXFile.Node) throws -> ONNXValue {
        let (low, high) = (try scalar(node, 1), try scalar(node, 2))
        switch try value(node, 0) {
        case .constant(var tensor):
            tensor.numbers = tensor.numbers.map { min(max($0, low), high) }
            return .constant(tensor)
        case .sum(var sum):
            guard let (step, top) = sum.quantized, low == 0, (0...255).contains(high) else {
                throw fail(node, "cuts off to \(low)…\(high), expected levels from 0")
            }
            sum.quantized = (step, min(top, Int(high)))
            return .sum(sum)
        default: throw fail(node, "cuts off what is not quantized")
        }
    }

    mutating func dequantized(_ node: ONNXFile.Node) throws -> ONNXValue {
        _ = try zeroPoint(node, 2)
        try expect("block_size", in: [0], node)
        switch try value(node, 0) {
        case .constant(let tensor):
            let scale = try constant(node, 1), scales = scale.numbers, perOutput = Array(tensor.shape.prefix(1))
            guard scales.count == 1 || scale.shape == perOutput && node.integers["axis"] ?? [1] == [0],
                scales.allSatisfy({ $0 >= 0 && $0.isFinite })
            else {
                throw fail(
                    node, "scales of the shape \(scale.shape), expected one, or one an output channel (\(perOutput), axis 0), 0 or more")
            }
            return .weights(try checked(tensor.shape, tensor.numbers, scales, node))
        case .sum(let sum):
            guard let (step, top) = sum.quantized, try scalar(node, 1) == step else {
                throw fail(node, "has another scale than its quantizer")
            }
            return .map(
                unit: try finish(sum, stepSize: step, top: top, roundingOffset: sum.isCeiled ? 0 : 0.5, node), channels: sum.channels)
        default: throw fail(node, "reads what is not quantized")
        }
    }

    private func checked(_ shape: [Int], _ integers: [Double], _ scales: [Double], _ node: ONNXFile.Node) throws -> QuantizedWeights {
        guard !integers.isEmpty, integers.allSatisfy({ (-127...127).contains($0) && $0 == $0.rounded() }) else {
            throw fail(node, "integer weights beyond ±127, or none")
        }
        return QuantizedWeights(shape: shape, integers: integers.map { Int8($0) }, scales: scales)
    }
}
