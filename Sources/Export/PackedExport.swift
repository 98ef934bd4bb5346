// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Compute
import Datasets
import Foundation
import Networks
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

    /// Of a data set by its name in run descriptions; `nil` for one that is not known by name.
    public init?(dataset: String) {
        switch dataset {
        case "CIFAR-10": self.init(height: 32, width: 32, channels: 3, classes: CIFAR10.classes, normalization: CIFAR10.normalization)
        case "Fashion-MNIST": self.init(height: 28, width: 28, channels: 1, classes: FashionMNIST.classes, normalization: FashionMNIST.normalization)
        default: return nil
        }
    }

    /// ImageNet's images with the classes' names in the order of the scores: METHOD.md part 2.
    /// - Parameter side: of the square that the network takes, in pixels.
    public static func imageNet(classes: [String], side: Int = 224) -> ImageFormat {
        ImageFormat(
            height: side, width: side, channels: 3, classes: classes,
            normalization: ImageNet.normalization,
            fitting: .centerCrop(resize: CenterCrop(crop: side).resize ?? side))
    }

    public var shape: FeatureShape { FeatureShape(height: height, width: width, channels: channels) }
}

/// The packed model of the network that a checkpoint holds, as its evaluation in mixed precision computes it.
/// - Parameter format: the images that it was trained on.
/// - Throws: `ExportError` for a network that is not fully quantized; what reading the checkpoint throws.
public func packedModel(of checkpoint: Checkpoint, format: ImageFormat, threads: Int = 1) throws -> PackedModel {
    let run = try checkpoint.description()
    let workshop = Workshop(engine: try Engine(threads: threads), batch: 1)
    try requireLevels(run)
    let network = try checkpoint.evaluationNetwork(
        input: format.shape, classes: format.classes.count, precision: .mixed, in: workshop)
    let epoch = checkpoint.state.epoch, epochs = run.recipe.epochs
    let text = "\(run.name), seed \(run.seed), \(run.dataset), \(epoch < epochs ? "unfinished: " : "")epoch \(epoch) of \(epochs), description \(run.digest)"
    return try packedModel(of: network, weightBits: run.recipe.weightBits, format: format, provenance: text)
}

private func requireLevels(_ run: RunDescription) throws {
    let (weights, activations) = (run.recipe.weightBits, run.recipe.activationBits)
    guard weights < 32, activations < 32 else {
        let floats = weights == 32 && activations == 32 ? "is a float network" : weights == 32 ? "has float weights" : "has float activations"
        throw ExportError("\(run.name) \(floats) (\(weights)W\(activations)A): only networks whose weights and activations are both quantized can be packed")
    }
}

/// The packed model of a network in mixed precision, with the numbers that its evaluation uses.
/// - Parameters:
///   - network: its weights projected.
///   - weightBits: of the quantized weights.
/// - Throws: `ExportError` where maps are not levels.
package func packedModel(of network: Network, weightBits: Int, format: ImageFormat, provenance: String) throws -> PackedModel {
    // An evaluation folds batch norm; of which image does not matter.
    let image = format.shape.tensor(batch: 1)
    _ = try network.forward(image, batch: 1, mode: .evaluation)
    guard let plan = network.evaluationPlan, let classifier = network.classifier else {
        throw ExportError("only networks in mixed precision, with weights and activations both quantized, can be packed")
    }
    var entries = try plan.units.map { try entry($0, plan: plan, weightBits: weightBits) }
    let last = plan.units.count - 1
    entries.append(
        contents(
            .init(
                name: "fc", kind: .classifier, weightBits: bits(classifier.weight, weightBits), input: last,
                outputChannels: format.classes.count, scaleCount: classifier.weight.codes == nil ? 0 : classifier.weight.slices),
            classifier.weight, a: [], b: classifier.bias.value.values))
    let packed = PackedModelContents(
        input: .init(height: format.height, width: format.width, channels: format.channels), mean: format.normalization.mean,
        std: format.normalization.std, fitting: format.fitting, classes: format.classes, provenance: provenance, entries: entries)
    return try PackedModel(bytes: packed.encoded())
}

private func bits(_ weight: Parameter, _ weightBits: Int) -> Int { weight.codes == nil ? 32 : weightBits }

private func entry(_ unit: EvaluationPlan.Unit, plan: EvaluationPlan, weightBits: Int) throws -> PackedModelContents.Entry {
    let activationBits = unit.maximumLevel.map { ($0 + 1).trailingZeroBitCount } ?? 0
    var (shortcut, shortcutInput, stride) = (PackedModel.Unit.Shortcut.none, -1, 0)
    switch unit.shortcut {
    case .none: break
    case .map(let other): (shortcut, shortcutInput) = (plan.units[other].maximumLevel == nil ? .values : .levels, other)
    case .subsampled(let other, let by): (shortcut, shortcutInput, stride) = (.subsampled, other, by)
    }
    let kind: PackedModel.Unit.Kind = switch unit.kind {
    case .first: .first
    case .convolution: .convolution
    case .maximum: .maximum
    }
    let scaleCount = unit.weight.map { $0.codes == nil ? 0 : $0.slices } ?? 0
    let described = PackedModel.Unit(
        name: unit.name, kind: kind, kernel: unit.kernel, stride: unit.stride, padding: unit.padding,
        weightBits: unit.weight.map { bits($0, weightBits) } ?? 0, activationBits: activationBits, shortcut: shortcut, shortcutStride: stride,
        input: unit.input, shortcutInput: shortcutInput, outputChannels: unit.output.channels, scaleCount: scaleCount, step: unit.step,
        resolution: unit.resolution)
    return contents(described, unit.weight, a: unit.a, b: unit.b)
}

private func contents(_ unit: PackedModel.Unit, _ weight: Parameter?, a: [Float], b: [Float]) -> PackedModelContents.Entry {
    guard let weight else { return PackedModelContents.Entry(unit) }
    guard let codes = weight.codes else { return PackedModelContents.Entry(unit, weights: weight.value.values, a: a, b: b) }
    return PackedModelContents.Entry(
        unit, codes: Array(UnsafeBufferPointer(start: codes, count: weight.value.count)),
        scales: Array(UnsafeBufferPointer(start: weight.scales, count: weight.slices)), a: a, b: b)
}
