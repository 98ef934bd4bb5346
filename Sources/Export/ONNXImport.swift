// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends

/// A quantized network in an ONNX file as a packed model: QCDQ or QONNX, as Brevitas and this suite write them (Documentation/Python.md).
///
/// Each convolution, with what follows it up to its activation's quantizer, becomes one unit: t = a·sum + b, folded in f64 and rounded
/// once.
/// A quantizer that rounds to nearest has `b` lower by ½, as training's exports have it; an exact half then rounds down.
/// - Parameters:
///   - bytes: the file's.
///   - provenance: what the packed model is to say of its origin.
///   - format: the images that the network takes, normalised as it says; given what the file says of them.
/// - Throws: `ONNXError` for a damaged file, or for a node that has no place in a packed model, by its name; `PackedModelError` for
///   numbers that the format refuses.
public func packedModel(onnx bytes: [UInt8], provenance: String, format: (ONNXFacts) throws -> ImageFormat) throws -> PackedModel {
    try packedModel(onnx: bytes, provenance: provenance, mostNumbers: ONNXNetwork.mostNumbers, format: format)
}

/// - Parameter mostNumbers: that nodes may make of constants, all together.
package func packedModel(
    onnx bytes: [UInt8], provenance: String, mostNumbers: Int, format: (ONNXFacts) throws -> ImageFormat
) throws -> PackedModel {
    let file = try ONNXFile(bytes), format = try format(ONNXFacts(file))
    var network = try ONNXNetwork(file, format, mostNumbers: mostNumbers)
    for node in file.nodes { try network.add(node) }
    let contents = PackedModelContents(
        input: .init(height: format.height, width: format.width, channels: format.channels), mean: format.normalization.mean,
        std: format.normalization.std, fitting: format.fitting, classes: format.classes, provenance: provenance,
        entries: try network.entries())
    return try PackedModel(bytes: contents.encoded())
}

/// What an ONNX file says of its images.
public struct ONNXFacts: Sendable {
    /// Rows, columns and channels; nil where they are free.
    public let height, width, channels: Int?
    /// As this suite's own files have it: classes, mean, std.
    public let metadata: [String: String]

    init(_ file: ONNXFile) {
        let shape = file.inputs.first?.shape ?? []
        func side(_ place: Int) -> Int? { shape.count == 4 ? shape[place] : nil }
        (channels, height, width, metadata) = (side(1), side(2), side(3), file.metadata)
    }
}

/// What a value of the graph stands for, while its nodes are read in their order.
enum ONNXValue {
    case image
    case constant(ONNXFile.Tensor)
    case weights(QuantizedWeights)
    case sum(PendingUnit)
    /// A finished unit's levels, as a shortcut perhaps times a factor, or every so-many-th pixel of them, with so many channels.
    case map(unit: Int, factor: Double = 1, stride: Int? = nil, channels: Int)
    /// The mean over a map's pixels.
    case mean(unit: Int)
    /// Of the mean over a unit's map.
    case scores(QuantizedWeights, bias: [Double], unit: Int)
}

/// A convolution and what has followed it so far: y = gain·sum + shift, and a shortcut.
struct PendingUnit {
    let name: String
    let weights: QuantizedWeights
    let kernel, stride, padding: Int
    /// The unit that is read; −1 is the image.
    let input: Int
    let height, width: Int
    var gain, shift: [Double]
    var shortcut: (unit: Int, kind: PackedModel.Unit.Shortcut, stride: Int, worth: Double)?
    var isCeiled = false
    /// A ReLU stands behind it, which only what keeps 0 and the order of numbers may follow: rounding, levels, factors above 0.
    var isRectified = false
    /// Between QuantizeLinear and DequantizeLinear: the step size and the highest level.
    var quantized: (stepSize: Double, top: Int)?
    var channels: Int { weights.outputs }
}

/// The units so far.
struct ONNXNetwork {
    /// At most 2 GiB, so that many nodes on a small file's one constant cannot ask for all memory; the largest networks in use, of
    /// 127·10⁶ weights (Wide ResNet-101-2), pass with a Clip before each of their quantizers.
    static let mostNumbers = 1 << 28

    private(set) var values: [String: ONNXValue] = [:]
    private var units: [PackedModelContents.Entry] = []
    /// Of each unit: rows, columns, and channels before they are padded.
    private var shapes: [(height: Int, width: Int, channels: Int)] = []
    private var cost = ModelCost()
    private let format: ImageFormat
    private let output: String?
    private let mostNumbers: Int
    private var numbers = 0

    init(_ file: ONNXFile, _ format: ImageFormat, mostNumbers: Int) throws {
        guard (1...4096).contains(format.height), (1...4096).contains(format.width), (1...4).contains(format.channels) else {
            throw ONNXError(
                "images of \(format.height)×\(format.width)×\(format.channels), expected 1 to 4096 pixels a side and 1 to 4 channels")
        }
        guard file.inputs.count == 1, let input = file.inputs.first else {
            throw ONNXError("\(file.inputs.count) inputs, expected one, the images")
        }
        let expected = [format.channels, format.height, format.width]
        guard input.shape.count == 4, zip(input.shape.dropFirst(), expected).allSatisfy({ $0 == nil || $0 == $1 }) else {
            let found = input.shape.map { $0.map(String.init) ?? "free" }.joined(separator: ", ")
            throw ONNXError(
                "the input \(input.name) is [\(found)], the images are [N, \(expected.map(String.init).joined(separator: ", "))]")
        }
        (self.format, self.mostNumbers, output) = (format, mostNumbers, file.outputs.first)
        values = file.constants.mapValues { .constant($0) }
        values[input.name] = .image
    }

    func fail(_ node: ONNXFile.Node, _ what: String) -> ONNXError {
        ONNXError("\(node.type) \(node.name.isEmpty ? node.outputs.first ?? "" : node.name): \(what)")
    }

    func value(_ node: ONNXFile.Node, _ place: Int) throws -> ONNXValue {
        guard node.inputs.indices.contains(place), let value = values[node.inputs[place]] else {
            throw fail(node, "reads \(node.inputs.indices.contains(place) ? node.inputs[place] : "nothing"), which no node before it gives")
        }
        return value
    }

    mutating func add(_ node: ONNXFile.Node) throws {
        guard let name = node.outputs.first else { return }
        let value = try result(of: node)
        numbers += made(value, by: node)
        guard numbers <= mostNumbers else {
            throw fail(
                node, "makes \(numbers) numbers of constants, with the nodes before it, more than \(mostNumbers): export them computed")
        }
        values[name] = value
    }

    /// How many numbers a node keeps that neither the file nor a node before it has.
    private func made(_ value: ONNXValue, by node: ONNXFile.Node) -> Int {
        switch value {
        case _ where ["Constant", "Identity", "Dropout"].contains(node.type): 0
        case .constant(let tensor): tensor.numbers.count
        case .weights(let weights), .scores(let weights, _, _): weights.integers.count + weights.floats.count
        case .sum(let sum): 2 * sum.channels + (node.type == "Conv" ? sum.weights.floats.count : 0)
        case .image, .map, .mean: 0
        }
    }

    func shape(_ unit: Int) -> (height: Int, width: Int, channels: Int) {
        unit < 0 ? (format.height, format.width, format.channels) : shapes[unit]
    }

    func stepSize(_ unit: Int) -> Double { unit < 0 ? 1 : Double(units[unit].unit.stepSize) }

    // MARK: Finished units

    /// - Parameters:
    ///   - stepSize: α; 1 for a result that stays float.
    ///   - top: 2^b − 1; 0 for a result that stays float.
    mutating func finish(_ sum: PendingUnit, stepSize: Double, top: Int, roundingOffset: Double, _ node: ONNXFile.Node) throws -> Int {
        guard stepSize > 0, stepSize.isFinite, top == 0 || (1...255).contains(top) && (top + 1).nonzeroBitCount == 1 else {
            throw fail(node, "levels up to \(top) of step size \(stepSize): expected 2^b − 1 of 1 to 8 bits, and a step size above 0")
        }
        let (inputs, outputs, isFirst) = (shape(sum.input).channels, sum.channels, sum.input < 0)
        let (paddedInputs, paddedOutputs) = (isFirst ? inputs : paddedChannels(inputs), paddedChannels(outputs))
        let weights = sum.weights, bits = weights.bits, taps = sum.kernel * sum.kernel
        guard Double(paddedInputs) * Double(paddedOutputs) * Double(taps) <= 0x1p29 else {
            throw fail(node, "\(weights.shape) weights are too many")
        }
        let unit = PackedModel.Unit(
            name: sum.name, kind: isFirst ? .first : .convolution, kernel: sum.kernel, stride: sum.stride, padding: sum.padding,
            weightBits: bits,
            activationBits: (top + 1).trailingZeroBitCount, shortcut: sum.shortcut?.kind ?? .none,
            shortcutStride: sum.shortcut?.stride ?? 0,
            input: sum.input, shortcutInput: sum.shortcut?.unit ?? -1, outputChannels: paddedOutputs,
            scaleCount: bits == 32 ? 0 : weights.scales.count == 1 ? 1 : paddedOutputs, step: Float((sum.shortcut?.worth ?? 0) / stepSize),
            stepSize: Float(stepSize))
        try expectPossible(unit, weights: paddedInputs * paddedOutputs * taps, sum.height, sum.width, node)
        func row(_ numbers: [Double], _ fill: Float = 0) -> [Float] {
            numbers.map { Float($0) } + [Float](repeating: fill, count: paddedOutputs - outputs)
        }
        units.append(
            PackedModelContents.Entry(
                unit,
                integerWeights: padded(
                    weights.integers, outputs: (outputs, paddedOutputs), inputs: (inputs, paddedInputs), taps: taps, bits == 1 ? 1 : 0,
                    isAbsent: bits == 32),
                weights: padded(
                    weights.floats, outputs: (outputs, paddedOutputs), inputs: (inputs, paddedInputs), taps: taps, 0, isAbsent: bits != 32),
                scales: weights.scales.count > 1 ? row(weights.scales, 1) : weights.scales.map { Float($0) },
                a: row(sum.gain.map { $0 / stepSize }),
                b: row(sum.shift.map { $0 / stepSize - roundingOffset })))
        shapes.append((sum.height, sum.width, outputs))
        return units.count - 1
    }

    /// Before its weights are padded: many nodes may share the constants of a small file.
    private mutating func expectPossible(
        _ unit: PackedModel.Unit, weights: Int, _ height: Int, _ width: Int, _ node: ONNXFile.Node
    ) throws {
        let from = shape(unit.input), inputs = unit.input < 0 ? from.channels : paddedChannels(from.channels)
        let input = PackedModel.Shape(height: from.height, width: from.width, channels: inputs)
        let output = PackedModel.Shape(height: height, width: width, channels: unit.outputChannels)
        if let excess = cost.adding(unit, weights: weights, from: input, to: output) { throw fail(node, excess) }
    }

    private func padded<T>(_ numbers: [T], outputs: (Int, Int), inputs: (Int, Int), taps: Int, _ fill: T, isAbsent: Bool) -> [T] {
        isAbsent ? [] : Export.padded(numbers, outputs: outputs, inputs: inputs, taps: taps, fill)
    }

    mutating func finishMaximum(of unit: Int, kernel: Int, stride: Int, padding: Int, _ node: ONNXFile.Node) throws -> Int {
        let (from, size) = (shape(unit), try window(node, of: unit, kernel: kernel, stride: stride, padding: padding)),
            before = units[unit].unit
        units.append(
            PackedModelContents.Entry(
                PackedModel.Unit(
                    name: node.outputs.first ?? "", kind: .maximum, kernel: kernel, stride: stride, padding: padding,
                    activationBits: before.activationBits,
                    input: unit, outputChannels: before.outputChannels, stepSize: before.stepSize)))
        shapes.append((size.height, size.width, from.channels))
        return units.count - 1
    }

    /// Rows and columns of a window's result.
    func window(_ node: ONNXFile.Node, of unit: Int, kernel: Int, stride: Int, padding: Int) throws -> (height: Int, width: Int) {
        let from = shape(unit)
        guard (1...255).contains(kernel), (1...15).contains(stride), (0...kernel / 2).contains(padding),
            min(from.height, from.width) + 2 * padding >= kernel
        else {
            throw fail(node, "kernel \(kernel), stride \(stride), padding \(padding) on \(from.height)×\(from.width) pixels")
        }
        return ((from.height + 2 * padding - kernel) / stride + 1, (from.width + 2 * padding - kernel) / stride + 1)
    }

    /// With the classifier, which gives the graph's output.
    func entries() throws -> [PackedModelContents.Entry] {
        guard case .scores(let weights, let bias, let last)? = output.flatMap({ values[$0] }), weights.shape.count == 2 else {
            throw ONNXError("the output \(output ?? "") does not come from a linear layer behind the mean over all pixels")
        }
        let (inputs, outputs) = (shapes[last].channels, weights.outputs)
        guard weights.shape[1] == inputs, outputs == format.classes.count, bias.count == outputs else {
            throw ONNXError(
                "a classifier of \(weights.shape) with \(bias.count) biases, expected \(format.classes.count) classes of \(inputs) features"
            )
        }
        let bits = weights.bits, (from, to) = (inputs, paddedChannels(inputs))
        return units + [
            PackedModelContents.Entry(
                .init(
                    name: output ?? "", kind: .classifier, weightBits: bits, input: last, outputChannels: outputs,
                    scaleCount: weights.scales.count),
                integerWeights: padded(
                    weights.integers, outputs: (outputs, outputs), inputs: (from, to), taps: 1, bits == 1 ? 1 : 0, isAbsent: bits == 32),
                weights: padded(weights.floats, outputs: (outputs, outputs), inputs: (from, to), taps: 1, 0, isAbsent: bits != 32),
                scales: weights.scales.map { Float($0) }, b: bias.map { Float($0) })
        ]
    }
}
