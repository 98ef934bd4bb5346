// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Graph
import Quantization

/// A quantized activation's step size α against its inputs x.
public struct ActivationDiagnostics: Equatable, Sendable {
    /// The node's name.
    public let layer: String
    /// α.
    public let stepSize: Double
    /// The share of inputs beyond the grid, `x > qmax·α`, and of those that become 0.
    public let saturated, zero: Double
    /// Of the positive inputs in units of α: their mean and their root mean square; nil where there are none.
    public let mean, rms: Double?
}

/// Looks at the inputs of a run's quantized activations: as the readable f32 network sees them in an evaluation, on some training images
/// that are always the same, without augmentation. It has a network of its own, so that training computes what it computes without it.
public final class ActivationProbe {
    /// How many images it looks at.
    public let images: Int

    private let run: Network
    private let source: any ImageSource
    private let seed: UInt64
    private let batch: Tensor
    private let tensors: Parameters
    private let reference: Reference
    private let context: ExecutionContext
    /// Places of quantized activations in the graph.
    private let nodes: [Int]

    private static let mostImages = 256, batchSize = 32

    /// - Throws: `MemoryError` when a second network would not fit into memory; what compiling it throws.
    public init(_ trainer: Trainer) throws {
        (run, source, seed) = (trainer.network, trainer.loader.split, trainer.run.seed)
        let graph = run.graph
        images = min(source.count, Self.mostImages)
        try NetworkMemory(graph, name: trainer.run.recipe.network, precision: .f32, threads: trainer.threads)
            .expectRoom(batch: Self.batchSize, for: "looking at the activations of \(trainer.run.name)")
        context = ExecutionContext(engine: try Engine(threads: trainer.threads), batch: Self.batchSize)
        tensors = Parameters(graph)
        reference = try Reference(graph, tensors, in: context)
        batch = graph.input.tensor(batch: Self.batchSize)
        nodes = graph.nodes.indices.filter { Self.quantizer(graph.nodes[$0]) != nil }
    }

    /// Of all quantized activations with the weights that the run has now, in the network's order.
    /// - Throws: what reading images throws.
    public func measure() throws -> [ActivationDiagnostics] {
        takeTensors()
        var sums = nodes.map { _ in InputSums() }
        let reader = try source.reader(augmentation: nil, seed: seed)
        for first in stride(from: 0, to: images, by: Self.batchSize) {
            let count = min(Self.batchSize, images - first)
            // Spread over the source, which may have its classes one after the other.
            for k in 0..<count {
                _ = try reader.read((first + k) * source.count / images, epoch: 0, into: batch.pointer + k * source.imageSize)
            }
            _ = try reference.forward(batch, batch: count, mode: .evaluation)
            for (k, node) in nodes.enumerated() {
                guard let quantizer = Self.quantizer(run.graph.nodes[node]) else { continue }
                let inputs = UnsafeBufferPointer(start: reference.input(of: node).pointer, count: count * run.graph.shapes[node].count)
                sums[k].add(inputs, quantizer, stepSize: stepSize(node), threads: context.engine.threads)
            }
        }
        return zip(nodes, sums).map { $1.diagnostics(of: run.graph.nodes[$0].name, stepSize: stepSize($0)) }
    }

    private static func quantizer(_ node: NetworkGraph.Node) -> (any ActivationQuantizer)? {
        guard case .activation(let function) = node.operation else { return nil }
        return function.quantizer
    }

    private func stepSize(_ node: Int) -> Float { tensors[run.graph.nodes[node].name + ".resolution"].value.pointer[0] }

    private func takeTensors() {
        for (own, other) in zip(tensors.all, run.parameters) {
            own.value.set(other.value.values)
            guard let integers = other.integerWeights else { continue }
            own.restoreProjection(
                integerWeights: Array(UnsafeBufferPointer(start: integers, count: other.value.count)),
                scales: Array(UnsafeBufferPointer(start: other.scales, count: other.slices)))
        }
        for (own, other) in zip(tensors.statistics, run.statistics) { own.tensor.set(other.tensor.values) }
        tensors.useProjection(threads: context.engine.threads)
    }
}

/// Over all inputs of one activation.
private struct InputSums {
    private var count = 0, zeros = 0, saturated = 0, positive = 0
    private var sum = 0.0, squares = 0.0

    mutating func add(_ inputs: UnsafeBufferPointer<Float>, _ quantizer: any ActivationQuantizer, stepSize: Float, threads: Int) {
        guard let start = inputs.baseAddress else { return }
        let top = Float(quantizer.grid.upperBound)
        let isZero: [Bool]
        if quantizer.fitsBytes {
            var levels = [UInt8](repeating: 0, count: inputs.count)
            levels.withUnsafeMutableBufferPointer { levels in
                guard let levels = levels.baseAddress else { return }
                quantizer.levels(input: start, levels: levels, count: inputs.count, stepSize: stepSize, threads: threads)
            }
            isZero = levels.map { $0 == 0 }
        } else {
            isZero = inputs.map { quantizer.level($0, stepSize: stepSize) == 0 }
        }
        for (x, isZero) in zip(inputs, isZero) {
            let ratio = x / stepSize
            zeros += isZero ? 1 : 0
            saturated += ratio > top ? 1 : 0
            guard x > 0 else { continue }
            positive += 1
            sum += Double(ratio)
            squares += Double(ratio) * Double(ratio)
        }
        count += inputs.count
    }

    func diagnostics(of layer: String, stepSize: Float) -> ActivationDiagnostics {
        func share(_ part: Int) -> Double { Double(part) / Double(max(count, 1)) }
        return ActivationDiagnostics(
            layer: layer, stepSize: Double(stepSize), saturated: share(saturated), zero: share(zeros),
            mean: positive > 0 ? sum / Double(positive) : nil,
            rms: positive > 0 ? (squares / Double(positive)).squareRoot() : nil)
    }
}
