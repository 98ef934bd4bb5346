// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import Compute
import Datasets
import Graph
import Training

/// How a packed model's integers and classes differ from those of the network that it was made from, over one split.
public struct ModelComparison: Equatable, Sendable {
    /// Levels compared and differing, in the model's order of units; maps of values are compared bit for bit.
    public struct Unit: Equatable, Sendable {
        public let name: String
        public fileprivate(set) var compared = 0, differing = 0
    }

    public internal(set) var units: [Unit] = []
    public internal(set) var images = 0
    /// Images whose highest score is another class's, and those whose label is the highest by the network and by the model.
    public internal(set) var differingClasses = 0, networkCorrect = 0, modelCorrect = 0
    /// The largest difference of two scores.
    public internal(set) var largestScoreDifference: Float = 0

    public var compared: Int { units.reduce(0) { $0 + $1.compared } }
    public var differing: Int { units.reduce(0) { $0 + $1.differing } }
}

/// Runs the evaluation of the checkpoint's network in mixed precision and its packed model side by side.
/// - Parameters:
///   - checkpoint: of the network.
///   - model: packed from it.
///   - split: images of the model's size.
///   - threads: 1 or more that compute.
///   - progress: is told how many images are done.
/// - Throws: `ExportError` when the model takes other images than those of `split`, or has other layers than the network; what
///   reading an image throws, and `MemoryError` when the run's batches would not fit into memory.
public func compare(
    _ checkpoint: Checkpoint, with model: PackedModel, on split: any ImageSource, threads: Int, progress: (Int) -> Void = { _ in }
) throws -> ModelComparison {
    let recipe = try checkpoint.description().recipe, batch = recipe.batchSize
    let input = FeatureShape(height: split.height, width: split.width, channels: split.channels)
    let graph = try checkpoint.graph(input: input, classes: model.classes.count)
    try NetworkMemory(graph, name: recipe.network, precision: .mixed, threads: threads)
        .expectRoom(batch: batch, besides: 4 * split.imageSize, for: checkpoint.path)
    let network = try checkpoint.evaluationNetwork(
        input: input, classes: model.classes.count, precision: .mixed, images: model.byteImages,
        in: ExecutionContext(engine: try Engine(threads: threads), batch: batch))
    return try compare(network, batch: batch, with: model, on: split, threads: threads, progress: progress)
}

extension PackedModel {
    /// For the network that computes the first unit as this model does.
    package var byteImages: ByteImages? {
        guard units[0].kind == .firstOfBytes else { return nil }
        return ByteImages(mean: Array(mean.prefix(input.channels)), std: Array(std.prefix(input.channels)))
    }
}

/// - Parameter network: in mixed precision, planned for `batch` images.
package func compare(
    _ network: Network, batch: Int, with model: PackedModel, on split: any ImageSource, threads: Int, progress: (Int) -> Void = { _ in }
) throws -> ModelComparison {
    let input = model.input
    guard (split.height, split.width, split.channels) == (input.height, input.width, input.channels) else {
        throw ExportError(
            "the model takes images of \(input.height)×\(input.width)×\(input.channels), the run's are "
                + "\(split.height)×\(split.width)×\(split.channels): it was exported from another run"
        )
    }
    let classifier = try Classifier(model, threads: threads)
    let images = Tensor([batch, split.height, split.width, split.channels]), size = split.imageSize
    let reader = try split.reader(augmentation: nil, seed: 0)
    let normalization = PixelNormalization(mean: Array(model.mean.prefix(split.channels)), std: Array(model.std.prefix(split.channels)))
    var comparison = ModelComparison(units: model.units.dropLast().map { .init(name: $0.name) })
    for first in stride(from: 0, to: split.count, by: batch) {
        let count = min(batch, split.count - first)
        let labels = try (0..<count).map { try reader.read(first + $0, epoch: 0, into: images.pointer + $0 * size).label }
        let scores = try network.forward(images, batch: count, mode: .evaluation)
        guard let network = network.lowPrecision, network.units.count == comparison.units.count + 1 else {
            throw ExportError("the model has other units than the network")
        }
        for image in 0..<count {
            let pixels = normalization.bytes(of: UnsafeBufferPointer(start: images.pointer + image * size, count: size))
            let activations = classifier.activations(of: pixels)
            for index in comparison.units.indices { try comparison.units[index].add(activations[index], network.map(index), image: image) }
            let row = UnsafeBufferPointer(start: scores.pointer + image * model.classes.count, count: model.classes.count)
            try comparison.add(Array(row), activations.last, label: Int(labels[image]))
        }
        progress(first + count)
    }
    return comparison
}

extension ModelComparison.Unit {
    /// - Parameter map: of all images of a batch.
    fileprivate mutating func add(_ activation: UnitActivation, _ map: LowPrecision.MapValues?, image: Int) throws {
        let count = activation.shape.count
        compared += count
        switch (activation.values, map) {
        case (.levels(let levels), .levels(let theirs)):
            for i in 0..<count where levels[i] != theirs[image * count + i] { differing += 1 }
        case (.floats(let values), .floats(let theirs)):
            for i in 0..<count where values[i].bitPattern != theirs[image * count + i].bitPattern { differing += 1 }
        default: throw ExportError("\(name) of the model has other numbers than the network's")
        }
    }
}

extension ModelComparison {
    fileprivate mutating func add(_ network: [Float], _ activation: UnitActivation?, label: Int) throws {
        guard case .floats(let model)? = activation?.values else { return }
        images += 1
        for (scores, owner) in [(network, "the network"), (model, "the packed model")] where !scores.allSatisfy(\.isFinite) {
            throw ExportError("the scores that \(owner) gives test image \(images) are not finite: it has no class")
        }
        let (theirs, ours) = (network.firstIndex(of: network.max() ?? 0), model.firstIndex(of: model.max() ?? 0))
        if theirs != ours { differingClasses += 1 }
        if theirs == label { networkCorrect += 1 }
        if ours == label { modelCorrect += 1 }
        for (a, b) in zip(network, model) { largestScoreDifference = max(largestScoreDifference, abs(a - b)) }
    }
}
