// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import Compute
import Datasets
import Foundation
import Graph
import Training

/// A network that cannot be exported, and why.
public struct ExportError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// The images that a network was trained on, as its user has to know them.
public struct ImageFormat: Sendable {
    public let height, width, channels: Int
    public let classes: [String]
    public let normalization: PixelNormalization
    public let fitting: PackedModel.Fitting

    public init(
        height: Int, width: Int, channels: Int, classes: [String], normalization: PixelNormalization, fitting: PackedModel.Fitting = .none
    ) {
        (self.height, self.width, self.channels) = (height, width, channels)
        (self.classes, self.normalization, self.fitting) = (classes, normalization, fitting)
    }

    /// Of a data set whose images all have one size.
    public init(of dataset: ImageDataset) {
        let images = dataset.test
        self.init(
            height: images.height, width: images.width, channels: images.channels, classes: dataset.classes,
            normalization: images.normalization)
    }

    /// Of a data set by its name in run descriptions; `nil` for one that is not known by name.
    public init?(dataset: String) {
        guard let facts = DatasetID(dataset).known?.facts, let side = facts.side, let classes = facts.classes else { return nil }
        self.init(height: side, width: side, channels: facts.channels, classes: classes, normalization: facts.normalization)
    }

    /// ImageNet's images with the classes' names in the order of the scores: METHOD.md part 2.
    /// - Parameters:
    ///   - classes: their names, in the order of the scores.
    ///   - side: of the square that the network takes, in pixels.
    public static func imageNet(classes: [String], side: Int = 224) -> ImageFormat {
        ImageFormat(
            height: side, width: side, channels: 3, classes: classes,
            normalization: ImageNet.normalization,
            fitting: .centerCrop(resize: CenterCrop(crop: side).resize ?? side))
    }

    public var shape: FeatureShape { FeatureShape(height: height, width: width, channels: channels) }
}

/// The packed model of the network that a checkpoint holds, as its evaluation in mixed precision computes it.
/// - Parameters:
///   - checkpoint: of the network.
///   - format: the images that it was trained on.
///   - threads: 1 or more that compute.
/// - Throws: `ExportError` for a network that is not fully quantized; what reading the checkpoint throws.
public func packedModel(of checkpoint: Checkpoint, format: ImageFormat, threads: Int = 1) throws -> PackedModel {
    let run = try checkpoint.description()
    try requireLevels(run)
    let graph = try checkpoint.graph(input: format.shape, classes: format.classes.count)
    let epoch = checkpoint.state.epoch, epochs = run.recipe.epochs
    let text =
        "\(run.name), seed \(run.seed), \(run.dataset), \(epoch < epochs ? "unfinished: " : "")epoch \(epoch) of \(epochs), description "
        + "\(run.digest)"
        + (checkpoint.state.engine.map { ", engine: \($0)" } ?? "")
    return try packedModel(graph, try checkpoint.evaluationTensors(graph, threads: threads), format: format, provenance: text)
}

private func requireLevels(_ run: RunDescription) throws {
    let (weights, activations) = (run.recipe.weightBits, run.recipe.activationBits)
    guard weights < 32, activations < 32 else {
        let floats =
            weights == 32 && activations == 32 ? "is a float network" : weights == 32 ? "has float weights" : "has float activations"
        throw ExportError(
            "\(run.name) \(floats) (\(weights)W\(activations)A): only networks whose weights and activations are both quantized can be "
                + "packed"
        )
    }
}

/// The packed model of a graph with its tensors: the numbers that its evaluation in mixed precision uses.
/// - Parameter tensors: quantized weights projected.
/// - Throws: `ExportError` where maps are not levels, `GraphError` for a graph that low precision does not know.
package func packedModel(_ graph: NetworkGraph, _ tensors: Parameters, format: ImageFormat, provenance: String) throws -> PackedModel {
    let images = ByteImages(mean: format.normalization.mean, std: format.normalization.std)
    let export = try PackedExport(graph, tensors, images)
    let packed = PackedModelContents(
        input: .init(height: format.height, width: format.width, channels: format.channels), mean: format.normalization.mean,
        std: format.normalization.std, fitting: format.fitting, classes: format.classes, provenance: provenance,
        entries: try export.plan.units.indices.map(export.entry))
    return try PackedModel(bytes: packed.encoded())
}

/// A unit's entry from its graph and tensors.
private struct PackedExport {
    let plan: LowPrecisionPlan
    private let tensors: Parameters
    private let images: ByteImages

    init(_ graph: NetworkGraph, _ tensors: Parameters, _ images: ByteImages) throws {
        (plan, self.tensors, self.images) = (try LowPrecisionPlan(graph, relaxesWeights: false), tensors, images)
        guard plan.units.indices.allSatisfy({ plan.units[$0].kind == .classifier || plan.numbers($0) != .rounded }) else {
            throw ExportError("only networks with weights and activations both quantized can be packed")
        }
        for unit in plan.units {
            guard let quantizer = graph.quantizer(unit) else { continue }
            guard quantizer.roundingOffset != nil, (quantizer.grid.upperBound + 1).nonzeroBitCount == 1 else {
                throw ExportError(
                    "\(unit.name): a packed model rounds activations up or to nearest, to levels 0 to 2^b − 1; \(quantizer.name) does not")
            }
        }
    }

    /// What one of a unit's map is worth: α, or 1 for values and the image.
    private func worth(_ unit: Int) -> Float {
        guard let activation = plan.origin(unit)?.activation else { return 1 }
        return tensors.optional(plan.graph.nodes[activation].name + ".resolution")?.value.pointer[0] ?? 1
    }

    func entry(_ index: Int) throws -> PackedModelContents.Entry {
        let unit = plan.units[index]
        switch unit.kind {
        case .classifier: return classifier(unit)
        case .maximum:
            let bits = plan.qmax(readBy: index).map { ($0 + 1).trailingZeroBitCount } ?? 0
            return PackedModelContents.Entry(
                PackedModel.Unit(
                    name: unit.name, kind: .maximum, kernel: unit.kernel, stride: unit.stride, padding: unit.padding, activationBits: bits,
                    input: unit.input, outputChannels: paddedChannels(unit.output.channels), stepSize: worth(index)))
        case .convolution: return convolution(index, unit)
        }
    }

    private func convolution(_ index: Int, _ unit: FusedUnit) -> PackedModelContents.Entry {
        var (shortcut, source, stride) = (PackedModel.Unit.Shortcut.none, -1, 0)
        switch unit.shortcut {
        case .none: break
        case .map(let other): (shortcut, source) = (plan.numbers(other) == .levels ? .levels : .values, other)
        case .subsampled(let other, let by): (shortcut, source, stride) = (.subsampled, other, by)
        }
        let weight = tensors[unit.name + ".weight"], kind = kind(index, unit, weight)
        let described = PackedModel.Unit(
            name: unit.name, kind: kind, kernel: unit.kernel, stride: unit.stride, padding: unit.padding,
            weightBits: bits(weight), activationBits: plan.graph.qmax(unit).map { ($0 + 1).trailingZeroBitCount } ?? 0,
            shortcut: shortcut, shortcutStride: stride, input: unit.input, shortcutInput: source,
            outputChannels: paddedChannels(unit.output.channels), scaleCount: scaleCount(weight),
            step: source < 0 ? 0 : worth(source) / worth(index),
            stepSize: worth(index))
        let folded = folded(index, unit, weight)
        let inputs = plan.shape(index).input.channels
        if kind == .firstOfBytes {
            let padded = plan.shape(index).padded,
                entry = contents(described, weight, inputs: (inputs, inputs), taps: unit.kernel * unit.kernel)
            let bytes = ByteFolding(
                padded, integerWeights: entry.integerWeights, scale: weight.scale(of:), folded: folded, images: images)
            return PackedModelContents.Entry(
                described, integerWeights: entry.integerWeights, scales: entry.scales, a: bytes.a, b: bytes.b)
        }
        return contents(
            described, weight, inputs: (inputs, unit.input < 0 ? inputs : paddedChannels(inputs)), taps: unit.kernel * unit.kernel,
            a: folded.map(\.a),
            b: folded.map(\.b))
    }

    /// As `FirstUnit` computes it in evaluation.
    private func kind(_ index: Int, _ unit: FusedUnit, _ weight: Parameter) -> PackedModel.Unit.Kind {
        guard unit.input < 0 else { return .convolution }
        let isOfBytes = weight.integerWeights != nil && images.areRestorable && ByteFolding.holds(plan.shape(index))
        return isOfBytes ? .firstOfBytes : .first
    }

    /// As `NormActivationUnit` folds it in evaluation.
    private func folded(_ index: Int, _ unit: FusedUnit, _ weight: Parameter) -> [BatchNorm.Folded] {
        guard let norm = unit.norm.map({ plan.graph.nodes[$0].name }) else { return [] }
        let (scale, shift) = (tensors[norm + ".weight"].value, tensors[norm + ".bias"].value)
        let (mean, variance) = (tensors.statistic(norm + ".running_mean").tensor, tensors.statistic(norm + ".running_var").tensor)
        let bias = tensors.optional(unit.name + ".bias")?.value
        return (0..<unit.output.channels).map { c in
            let one = plan.isInteger(index) ? worth(unit.input) * weight.scale(of: c) : 1
            return BatchNorm.Folded(
                unit: Double(one), bias: Double(bias?.pointer[c] ?? 0), mean: Double(mean.pointer[c]),
                variance: Double(variance.pointer[c]),
                scale: Double(scale.pointer[c]), shift: Double(shift.pointer[c]), stepSize: Double(worth(index)),
                roundingOffset: plan.graph.quantizer(unit)?.roundingOffset ?? 0)
        }
    }

    private func classifier(_ unit: FusedUnit) -> PackedModelContents.Entry {
        let (weight, bias) = (tensors[unit.name + ".weight"], tensors[unit.name + ".bias"])
        let inputs = weight.value.shape[1]
        return contents(
            .init(
                name: unit.name, kind: .classifier, weightBits: bits(weight), input: unit.input, outputChannels: unit.output.channels,
                scaleCount: weight.integerWeights == nil ? 0 : weight.slices),
            weight, inputs: (inputs, paddedChannels(inputs)), taps: 1, a: [], b: bias.value.values)
    }

    private func bits(_ weight: Parameter) -> Int { weight.spec.quantization?.bits ?? 32 }
    private func scaleCount(_ weight: Parameter) -> Int {
        weight.integerWeights == nil ? 0 : weight.slices == 1 ? 1 : paddedChannels(weight.slices)
    }

    /// With the channels that the format asks for: those that are too many get any code, and a and b of 0, so that their levels are 0.
    private func contents(
        _ unit: PackedModel.Unit, _ weight: Parameter, inputs: (Int, Int), taps: Int, a: [Float] = [], b: [Float] = []
    ) -> PackedModelContents.Entry {
        let outputs = (weight.value.shape[0], unit.outputChannels)
        func padded<T>(_ numbers: [T], _ fill: T) -> [T] { Export.padded(numbers, outputs: outputs, inputs: inputs, taps: taps, fill) }
        func row(_ numbers: [Float], _ fill: Float) -> [Float] { numbers + [Float](repeating: fill, count: outputs.1 - outputs.0) }
        let (a, b) = (a.isEmpty ? [] : row(a, 0), row(b, 0))
        guard let integerWeights = weight.integerWeights else {
            return PackedModelContents.Entry(unit, weights: padded(weight.value.values, 0), a: a, b: b)
        }
        let scales = Array(UnsafeBufferPointer(start: weight.scales, count: weight.slices))
        return PackedModelContents.Entry(
            unit,
            integerWeights: padded(
                Array(UnsafeBufferPointer(start: integerWeights, count: weight.value.count)), unit.weightBits == 1 ? 1 : 0),
            scales: weight.slices == 1 ? scales : row(scales, 1), a: a, b: b)
    }
}
