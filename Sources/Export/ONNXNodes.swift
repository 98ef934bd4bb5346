// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime

/// What each kind of node makes of its inputs.
extension ONNXNetwork {
    mutating func result(of node: ONNXFile.Node) throws -> ONNXValue {
        try expectKnownDomain(node)
        switch node.type {
        case "Constant":
            guard let tensor = node.tensor else { throw fail(node, "holds no tensor") }
            return .constant(tensor)
        case "Identity", "Dropout", "Relu": return try passed(node)
        case "Conv": return .sum(try convolution(node))
        case "BatchNormalization": return .sum(try normalized(node))
        case "Mul", "Div", "Add", "Sub": return try arithmetic(node)
        case "Ceil":
            var sum = try pending(node)
            sum.isCeiled = true
            return .sum(sum)
        case "Quant", "BipolarQuant": return try quant(node)  // ONNXQuantizers.swift
        case "QuantizeLinear": return .sum(try quantized(node))
        case "Clip": return try clipped(node)
        case "DequantizeLinear": return try dequantized(node)
        case "MaxPool":
            guard case .map(let unit, 1, nil, let channels) = try value(node, 0) else { throw fail(node, "reads no levels") }
            let (kernel, stride, padding) = try self.window(node)
            return .map(unit: try finishMaximum(of: unit, kernel: kernel, stride: stride, padding: padding, node), channels: channels)
        case "GlobalAveragePool", "ReduceMean": return try mean(node)
        case "Flatten", "Reshape", "Squeeze": return try flattened(node)
        case "Transpose": return try transposed(node)
        case "Gemm", "MatMul": return try linear(node)
        case "Slice", "Pad": return try subsampled(node)
        default: throw fail(node, "has no place in a packed model")
        }
    }

    // MARK: Operands

    func constant(_ node: ONNXFile.Node, _ place: Int) throws -> ONNXFile.Tensor {
        guard case .constant(let tensor) = try value(node, place) else { throw fail(node, "input \(place + 1) is no constant") }
        return tensor
    }

    func scalar(_ node: ONNXFile.Node, _ place: Int) throws -> Double {
        let tensor = try constant(node, place)
        guard tensor.numbers.count == 1 else { throw fail(node, "input \(place + 1) has \(tensor.numbers.count) numbers, expected one") }
        return tensor.numbers[0]
    }

    /// That an attribute, where the node has it, is one of the numbers that stand for what is computed here.
    func expect(_ attribute: String, in allowed: [Int], _ node: ONNXFile.Node) throws {
        guard let found = node.integers[attribute]?.first(where: { !allowed.contains($0) }) else { return }
        throw fail(node, "\(attribute) \(found), expected \(allowed.map(String.init).joined(separator: " or "))")
    }

    func pending(_ node: ONNXFile.Node, _ place: Int = 0) throws -> PendingUnit {
        guard case .sum(let sum) = try value(node, place) else { throw fail(node, "follows no convolution") }
        guard sum.quantized == nil, !sum.isCeiled || ["QuantizeLinear", "Quant"].contains(node.type) else {
            throw fail(node, "stands inside of a quantizer")
        }
        return sum
    }

    /// One number a channel: a scalar, or `[C]` where broadcasting means channels.
    private func perChannel(_ tensor: ONNXFile.Tensor, channels: Int, _ node: ONNXFile.Node) throws -> [Double] {
        if tensor.numbers.count == 1 { return [Double](repeating: tensor.numbers[0], count: channels) }
        let shape = tensor.shape
        guard tensor.numbers.count == channels, shape.count >= 3, shape.suffix(3) == [channels, 1, 1] else {
            throw fail(node, "a constant of shape \(tensor.shape), expected one number, or one for each of \(channels) channels")
        }
        return tensor.numbers
    }

    private func passed(_ node: ONNXFile.Node) throws -> ONNXValue {
        let value = try value(node, 0)
        // Levels begin at 0: a ReLU before their quantizer changes nothing.
        if node.type == "Relu", case .sum = value {
            var sum = try pending(node)
            sum.isRectified = true
            return .sum(sum)
        }
        guard node.type != "Relu" else { throw fail(node, "follows no convolution") }
        return value
    }

    private func expectUnrectified(_ sum: PendingUnit, _ node: ONNXFile.Node) throws {
        guard !sum.isRectified else {
            throw fail(node, "follows a ReLU, which a packed model has only right before a quantizer, in its levels from 0")
        }
    }

    // MARK: Convolutions

    private func window(_ node: ONNXFile.Node) throws -> (kernel: Int, stride: Int, padding: Int) {
        func one(_ name: String, _ standard: Int, count: Int) throws -> Int {
            let given = node.integers[name] ?? []
            guard given.isEmpty || given.count == count && Set(given).count == 1 else {
                throw fail(node, "\(name) \(given): expected a square window")
            }
            return given.first ?? standard
        }
        guard try one("dilations", 1, count: 2) == 1, node.integers["group"] ?? [1] == [1], node.integers["ceil_mode"] ?? [0] == [0],
            ["", "NOTSET"].contains(node.texts["auto_pad"] ?? "")
        else { throw fail(node, "dilations, groups, rounded-up sides and automatic padding have no place in a packed model") }
        return (try one("kernel_shape", 1, count: 2), try one("strides", 1, count: 2), try one("pads", 0, count: 4))
    }

    private func weights(_ node: ONNXFile.Node, _ place: Int) throws -> QuantizedWeights {
        switch try value(node, place) {
        case .weights(let weights): return weights
        case .constant(let tensor): return QuantizedWeights(shape: tensor.shape, floats: tensor.numbers.map { Float($0) })
        default: throw fail(node, "its weights are no constant")
        }
    }

    private func convolution(_ node: ONNXFile.Node) throws -> PendingUnit {
        let weights = try weights(node, 1), unit: Int
        switch try value(node, 0) {
        case .image: unit = -1
        case .map(let source, 1, nil, _): unit = source
        default:
            throw fail(
                node,
                "reads \(node.inputs[0]), which is not quantized; a packed model's convolutions read levels, the first one float pixels")
        }
        guard weights.shape.count == 4, weights.outputs > 0, weights.shape[2] == weights.shape[3], weights.shape[1] == shape(unit).channels
        else {
            throw fail(node, "weights \(weights.shape) on \(shape(unit).channels) channels, expected [O, I, K, K]")
        }
        guard unit < 0 || weights.bits != 32 else {
            throw fail(node, "its weights are float; only those of the first convolution and the classifier may be")
        }
        let (_, stride, padding) = try window(node)
        let kernel = weights.shape[2], size = try window(node, of: unit, kernel: kernel, stride: stride, padding: padding)
        // A first unit's weights are δ·q themselves.
        let gain =
            unit < 0
            ? [Double](repeating: 1, count: weights.outputs)
            : (0..<weights.outputs).map { stepSize(unit) * weights.scales[weights.scales.count == 1 ? 0 : $0] }
        let bias =
            node.inputs.count > 2 && !node.inputs[2].isEmpty
            ? try constant(node, 2).numbers : [Double](repeating: 0, count: weights.outputs)
        guard bias.count == weights.outputs else { throw fail(node, "\(bias.count) biases for \(weights.outputs) channels") }
        return PendingUnit(
            name: node.name.isEmpty ? node.outputs[0] : node.name, weights: weights, kernel: kernel, stride: stride, padding: padding,
            input: unit,
            height: size.height, width: size.width, gain: gain, shift: bias)
    }

    private func normalized(_ node: ONNXFile.Node) throws -> PendingUnit {
        var sum = try pending(node)
        try expectUnrectified(sum, node)
        try expect("training_mode", in: [0], node)
        let numbers = try (1...4).map { try constant(node, $0).numbers }, epsilon = Double(node.number["epsilon"] ?? 1e-5)
        guard numbers.allSatisfy({ $0.count == sum.channels }), sum.shortcut == nil else {
            throw fail(node, "does not follow a convolution of as many channels")
        }
        for o in 0..<sum.channels {
            let scale = numbers[0][o] / (numbers[3][o] + epsilon).squareRoot()
            (sum.gain[o], sum.shift[o]) = (sum.gain[o] * scale, (sum.shift[o] - numbers[2][o]) * scale + numbers[1][o])
        }
        return sum
    }

    private mutating func arithmetic(_ node: ONNXFile.Node) throws -> ONNXValue {
        var (first, second) = (try value(node, 0), try value(node, 1))
        if ["Mul", "Add"].contains(node.type), case .constant = first { swap(&first, &second) }
        if node.type == "Add", case .map = first { swap(&first, &second) }
        switch (first, second) {
        case (.scores(let weights, let bias, let unit), .constant(let tensor))
        where node.type == "Add" && tensor.numbers.count == bias.count && tensor.shape.last == bias.count:
            return .scores(weights, bias: zip(bias, tensor.numbers).map(+), unit: unit)
        case (.map(let unit, let factor, let stride, let channels), .constant(let tensor))
        where node.type == "Mul" && tensor.numbers.count == 1:
            return .map(unit: unit, factor: factor * tensor.numbers[0], stride: stride, channels: channels)
        case (.sum(var sum), .constant(let tensor)) where sum.shortcut == nil && sum.quantized == nil && !sum.isCeiled:
            let numbers = try perChannel(tensor, channels: sum.channels, node)
            if !["Mul", "Div"].contains(node.type) || !numbers.allSatisfy({ $0 > 0 }) { try expectUnrectified(sum, node) }
            for o in 0..<sum.channels {
                switch node.type {
                case "Mul": (sum.gain[o], sum.shift[o]) = (sum.gain[o] * numbers[o], sum.shift[o] * numbers[o])
                case "Div": (sum.gain[o], sum.shift[o]) = (sum.gain[o] / numbers[o], sum.shift[o] / numbers[o])
                case "Add": sum.shift[o] += numbers[o]
                default: sum.shift[o] -= numbers[o]
                }
            }
            return .sum(sum)
        case (.sum(let sum), _) where node.type == "Add" && sum.shortcut == nil && sum.quantized == nil && !sum.isCeiled:
            return .sum(try withShortcut(sum, second, node))
        default: throw fail(node, "adds or multiplies what no packed model does")
        }
    }

    private mutating func withShortcut(_ sum: PendingUnit, _ other: ONNXValue, _ node: ONNXFile.Node) throws -> PendingUnit {
        var sum = sum
        try expectUnrectified(sum, node)
        let channels: Int, size: (height: Int, width: Int)
        switch other {
        case .map(let unit, let factor, let stride, let all):
            let from = shape(unit), by = stride ?? 1
            (channels, size) = (all, ((from.height - 1) / by + 1, (from.width - 1) / by + 1))
            sum.shortcut = (unit, stride == nil ? .levels : .subsampled, stride ?? 0, factor * stepSize(unit))
        case .sum(let branch) where branch.shortcut == nil && branch.quantized == nil && !branch.isCeiled && branch.input >= 0:
            try expectUnrectified(branch, node)
            (channels, size) = (branch.channels, (branch.height, branch.width))
            sum.shortcut = (try finish(branch, stepSize: 1, top: 0, roundingOffset: 0, node), .values, 0, 1)
        default: throw fail(node, "adds something else than levels or a convolution's result")
        }
        guard channels == sum.channels, size == (sum.height, sum.width) else { throw fail(node, "adds maps of two shapes") }
        return sum
    }

    /// ResNet's shortcut without weights: every so-many-th pixel, and zeros on both sides of the channels.
    private func subsampled(_ node: ONNXFile.Node) throws -> ONNXValue {
        guard case .map(let unit, 1, let stride, let channels) = try value(node, 0) else { throw fail(node, "reads no levels") }
        let from = shape(unit)
        if node.type == "Slice", stride == nil {
            let numbers = try (1...4).map { try constant(node, $0).numbers }
            guard numbers[0] == [0, 0], numbers[2] == [2, 3], numbers[3].count == 2, numbers[3][0] == numbers[3][1],
                (1...8).contains(numbers[3][0]),
                numbers[1].count == 2, numbers[1][0] >= Double(from.height), numbers[1][1] >= Double(from.width)
            else { throw fail(node, "is no subsampling of rows and columns") }
            return .map(unit: unit, stride: Int(numbers[3][0]), channels: channels)
        }
        let pads = node.type == "Pad" ? try zerosAround(node) : []
        guard pads.count == 8, pads.enumerated().allSatisfy({ $0.offset % 4 == 1 || $0.element == 0 }), pads[1] == pads[5],
            (0...65536).contains(pads[1]),
            pads[1] == 0 || channels % 16 == 0 && Int(pads[1]) % 8 == 0
        else { throw fail(node, "is no padding of channels by eights on both sides") }
        return .map(unit: unit, stride: stride ?? 1, channels: channels + 2 * Int(pads[1]))
    }

    /// How many zeros before each axis, and then behind each.
    private func zerosAround(_ node: ONNXFile.Node) throws -> [Double] {
        func given(_ place: Int) throws -> [Double]? {
            node.inputs.count > place && !node.inputs[place].isEmpty ? try constant(node, place).numbers : nil
        }
        let mode = node.texts["mode"] ?? "constant", value = try given(2) ?? [0], axes = try given(3) ?? [0, 1, 2, 3]
        guard mode == "constant", value == [0], axes == [0, 1, 2, 3] else {
            throw fail(node, "pads in the mode \(mode) with \(value) on the axes \(axes), expected constant, zeros, all axes in order")
        }
        return try constant(node, 1).numbers
    }

    // MARK: The end

    private func mean(_ node: ONNXFile.Node) throws -> ONNXValue {
        guard case .map(let unit, 1, nil, _) = try value(node, 0) else { throw fail(node, "reads no levels") }
        if node.type == "ReduceMean" {
            let axes = try node.integers["axes"] ?? constant(node, 1).numbers.map { Int(exactly: $0) ?? 0 }
            guard Set(axes) == [2, 3] || Set(axes) == [-1, -2] else { throw fail(node, "is no mean over rows and columns") }
        }
        return .mean(unit: unit)
    }

    private func flattened(_ node: ONNXFile.Node) throws -> ONNXValue {
        switch try value(node, 0) {
        case .mean(let unit): return .mean(unit: unit)
        case .map(let unit, 1, nil, _) where shape(unit).height * shape(unit).width == 1: return .mean(unit: unit)
        default: throw fail(node, "flattens a map: before the classifier a packed model takes the mean over all pixels")
        }
    }

    private func transposed(_ node: ONNXFile.Node) throws -> ONNXValue {
        guard case .weights(let weights) = try value(node, 0), weights.shape.count == 2, node.integers["perm"] ?? [1, 0] == [1, 0],
            weights.scales.count == 1
        else {
            throw fail(node, "is no transposition of a linear layer's weights")
        }
        return .weights(weights.transposed)
    }

    private func linear(_ node: ONNXFile.Node) throws -> ONNXValue {
        guard case .mean(let unit) = try value(node, 0) else {
            throw fail(node, "reads \(node.inputs[0]): before the classifier a packed model takes the mean over all pixels")
        }
        var weights = try weights(node, 1)
        guard weights.shape.count == 2, node.integers["transA"] ?? [0] == [0], node.number["alpha"] ?? 1 == 1, node.number["beta"] ?? 1 == 1
        else {
            throw fail(node, "expected features times weights plus a bias")
        }
        if node.type == "MatMul" || node.integers["transB"] ?? [0] == [0] {
            guard weights.scales.count <= 1 else { throw fail(node, "has scales for other channels than the classes") }
            weights = weights.transposed
        }
        let bias =
            node.type == "Gemm" && node.inputs.count > 2 ? try constant(node, 2).numbers : [Double](repeating: 0, count: weights.outputs)
        guard bias.count == weights.outputs else { throw fail(node, "\(bias.count) biases for \(weights.outputs) classes") }
        return .scores(weights, bias: bias, unit: unit)
    }
}
