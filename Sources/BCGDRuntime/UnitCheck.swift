// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether a unit read from a file fits the units before it, and whether its arithmetic stays in range.
struct UnitCheck {
    private typealias Shape = PackedModel.Shape
    private typealias Unit = PackedModel.Unit
    private let unit: PackedModel.Unit
    private let index, count, classes: Int
    private let image: PackedModel.Shape
    private let units: [PackedModel.Unit]
    private let shapes: [PackedModel.Shape]
    private let fail: (String) -> PackedModelError

    /// - Parameter units: those before it, with the shapes of their results.
    init(
        _ unit: PackedModel.Unit, index: Int, of count: Int, input image: PackedModel.Shape, classes: Int, units: [PackedModel.Unit],
        shapes: [PackedModel.Shape], fail: @escaping (String) -> PackedModelError
    ) {
        (self.unit, self.index, self.count, self.image, self.classes) = (unit, index, count, image, classes)
        (self.units, self.shapes, self.fail) = (units, shapes, fail)
    }

    private func need(_ condition: Bool, _ expected: @autoclosure () -> String) throws {
        if !condition { throw fail("expected \(expected())") }
    }

    /// The shape of the unit's result, and the number of its weights.
    func validated() throws -> (shape: PackedModel.Shape, weights: Int) {
        try need(unit.readsImage == (index == 0), "the first unit, and no other, to read the image")
        try need((unit.kind == .classifier) == (index == count - 1), "the last unit, and no other, to be a classifier")
        let input = try inputShape()
        try checkBits()
        if unit.kind == .classifier {
            try need(unit.kernel == 1 && unit.stride == 1 && unit.padding == 0, "kernel 1, stride 1, padding 0 of a classifier")
        }
        let shape = unit.kind == .classifier ? PackedModel.Shape(height: 1, width: 1, channels: unit.outputChannels) : try window(input)
        try need(shape.count <= PackedLayout.most.elements, "at most \(PackedLayout.most.elements) numbers in a map, not \(shape.count)")
        try checkShortcut(shape)
        let perOutput = input.channels * unit.kernel * unit.kernel
        if unit.kind == .convolution { try checkSum(perOutput, inputLevels) }
        if unit.kind == .classifier { try checkSum(input.height * input.width * input.channels, inputLevels) }
        return (shape, unit.hasWeights ? perOutput * unit.outputChannels : 0)
    }

    private var inputLevels: Int { units[unit.input].qmax }

    private func inputShape() throws -> PackedModel.Shape {
        guard index > 0 else {
            try need(unit.input == -1, "the image as the first unit's input")
            return image
        }
        try need(units.indices.contains(unit.input), "an earlier unit as input, not \(unit.input)")
        try need(units[unit.input].activationBits > 0, "a map of levels as input")
        return shapes[unit.input]
    }

    private func checkBits() throws {
        let (weights, activation) = (unit.weightBits, unit.activationBits)
        let isFloatAllowed = unit.kind == .first || unit.kind == .classifier
        switch unit.kind {
        case .maximum:
            try need(weights == 0 && unit.scaleCount == 0, "no weights of a maximum")
            try need(activation == units[unit.input].activationBits, "the levels of a maximum's input")
        default:
            try need(
                (1...8).contains(weights) || weights == 32 && isFloatAllowed,
                "weights of 1 to 8 bits\(isFloatAllowed ? ", or 32" : ""), not \(weights)")
            try need(
                weights == 32 ? unit.scaleCount == 0 : [1, unit.outputChannels].contains(unit.scaleCount),
                "one scale, or one an output channel, not \(unit.scaleCount)")
        }
        switch unit.kind {
        case .classifier:
            try need(
                activation == 0 && unit.outputChannels == classes,
                "\(classes) scores without activation, not \(unit.outputChannels) with \(activation) bits")
        case .convolution: try need((0...8).contains(activation), "levels of 1 to 8 bits, or 0, not \(activation)")
        default: try need((1...8).contains(activation), "levels of 1 to 8 bits, not \(activation)")
        }
        try need(unit.stepSize > 0, "a step size above 0")
    }

    /// The window's output.
    private func window(_ input: PackedModel.Shape) throws -> PackedModel.Shape {
        let (kernel, stride, padding) = (unit.kernel, unit.stride, unit.padding)
        switch unit.kind {
        case .convolution:
            try need(
                (1...255).contains(kernel) && (1...8).contains(stride) && 2 * padding <= kernel,
                "a kernel of 1 to 255 and a stride of 1 to 8, not \(kernel), \(stride), padding \(padding)")
            try need(input.channels % 16 == 0, "input channels by sixteen, not \(input.channels)")
        case .maximum:
            try need(
                (1...15).contains(kernel) && (1...15).contains(stride) && 2 * padding <= kernel,
                "a window of 1 to 15, not \(kernel), stride \(stride), padding \(padding)")
        default:
            try need(
                (1...11).contains(kernel) && (1...8).contains(stride) && 2 * padding <= kernel,
                "a kernel of 1 to 11, not \(kernel), stride \(stride), padding \(padding)")
        }
        if unit.kind == .maximum { try need(unit.outputChannels == input.channels, "as many channels as before") }
        try need(
            (1...PackedLayout.most.channels).contains(unit.outputChannels) && unit.outputChannels % 16 == 0,
            "output channels by sixteen up to \(PackedLayout.most.channels), not \(unit.outputChannels)")
        func side(_ length: Int) throws -> Int {
            try need(length + 2 * padding >= kernel, "a map of \(kernel - 2 * padding) pixels or more")
            return (length + 2 * padding - kernel) / stride + 1
        }
        return PackedModel.Shape(height: try side(input.height), width: try side(input.width), channels: unit.outputChannels)
    }

    private func checkShortcut(_ shape: PackedModel.Shape) throws {
        guard unit.shortcut != .none else {
            return try need(unit.shortcutInput == -1 && unit.shortcutStride == 0, "no shortcut")
        }
        try need(unit.kind == .convolution && unit.activationBits > 0, "a shortcut only before a quantized ReLU")
        try need(units.indices.contains(unit.shortcutInput), "an earlier unit as shortcut, not \(unit.shortcutInput)")
        let (source, from) = (units[unit.shortcutInput], shapes[unit.shortcutInput])
        try need(
            (unit.shortcut == .values) == (source.activationBits == 0), "a shortcut of \(unit.shortcut == .values ? "values" : "levels")")
        guard unit.shortcut == .subsampled else {
            return try need(from == shape && unit.shortcutStride == 0, "a shortcut of the result's shape")
        }
        let stride = unit.shortcutStride
        try need((1...8).contains(stride), "a shortcut's stride of 1 to 8, not \(stride)")
        try need(
            (from.height - 1) / stride + 1 == shape.height && (from.width - 1) / stride + 1 == shape.width,
            "a subsampled shortcut of the result's shape")
        try need(
            from.channels <= shape.channels && (shape.channels - from.channels) % 2 == 0, "a shortcut with an even number of channels less")
    }

    /// Sums of so many products with levels up to `qmax` fit 32 bits.
    private func checkSum(_ terms: Int, _ qmax: Int) throws {
        let largest = unit.weightBits == 32 ? 1 : unit.maximumIntegerWeight
        try need(
            terms <= Int(Int32.max) / (qmax * largest),
            "sums within 32 bits; \(terms) products of levels up to \(qmax) and integer weights up to \(largest) may exceed them")
    }
}
