// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Compute
import Graph
import Statistics

/// A tensor that belongs to the network's state without being learned (running statistics).
public struct NamedTensor {
    public let name: String
    public let tensor: Tensor
}

/// All learned tensors and running statistics of a network. Values, gradients and momenta lie in one block each, the
/// parameters in the graph's order: what sums gradients over machines, or writes a checkpoint, sees three buffers.
public struct Parameters {
    public let all: [Parameter]
    public let statistics: [NamedTensor]
    /// `[n]`: the parameters' numbers, each beginning at a multiple of 16, with zeros between them.
    public let values, gradients, momenta: Tensor
    /// Adam's mean squares likewise; `nil` where nobody asked for them.
    public let secondMoments: Tensor?
    private let byName: [String: Parameter]
    /// Their layers sum the gradients over all ranks: batch norm's, and the step sizes of activations.
    private let summedByLayers: [Parameter]
    private let room: Tensor?

    /// - Parameters:
    ///   - ranks: that share the gradients.
    ///   - keepsIntegerWeightsOnly: whether the passes multiply by the integer weights of a quantized weight, given its name.
    package init(
        _ graph: NetworkGraph, keepsSecondMoments: Bool = false, ranks: Int = 1, keepsIntegerWeightsOnly: (String) -> Bool = { _ in false }
    ) {
        let specs = graph.parameters
        let lengths = specs.map { ($0.count + 15) & ~15 }
        let total = max(16, lengths.reduce(0, +))
        let (values, gradients, momenta) = (Tensor([total]), Tensor([total]), Tensor([total]))
        let secondMoments = keepsSecondMoments ? Tensor([total]) : nil
        var offset = 0
        all = zip(specs, lengths).map { spec, length in
            defer { offset += length }
            func part(_ whole: Tensor) -> Tensor { Tensor(spec.shape, partOf: whole, at: offset) }
            return Parameter(
                spec, value: part(values), gradient: part(gradients), momentum: part(momenta), secondMoment: secondMoments.map(part),
                multipliesByIntegerWeights: spec.quantization != nil && keepsIntegerWeightsOnly(spec.name))
        }
        statistics = graph.statistics.map { spec in
            let tensor = Tensor([spec.channels])
            tensor.fill(spec.initial)
            return NamedTensor(name: spec.name, tensor: tensor)
        }
        (self.values, self.gradients, self.momenta, self.secondMoments) = (values, gradients, momenta, secondMoments)
        byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        summedByLayers = graph.nodes.flatMap { node -> [String] in
            switch node.operation {
            case .batchNorm: [node.name + ".weight", node.name + ".bias"]
            case .activation: [node.name + ".resolution"]
            default: []
            }
        }.compactMap { [byName] in byName[$0] }
        room = ranks > 1 ? Tensor([total + ranks]) : nil
        for weight in weights { weight.learnedStepSizes = byName[weight.name + ".resolution"] }
    }

    /// The weights of convolutions and linear layers, from the first layer to the last.
    public var weights: [Parameter] { all.filter { $0.kind == .weight } }

    /// `w_q ← proj_Q(w_f)` for every quantized weight tensor.
    public func project(threads: Int) {
        for weight in weights { weight.project(threads: threads) }
    }

    /// The first step sizes of weights that learn them, from the float weights.
    package func calibrateStepSizes(threads: Int) {
        for weight in weights { weight.calibrateStepSizes(threads: threads) }
    }

    /// What the last backward pass left becomes the gradient in all that is learned (`Parameter.takeCoarseGradient`).
    package func takeCoarseGradients(threads: Int) {
        for weight in weights { weight.takeCoarseGradient(threads: threads) }
    }

    /// Has the passes multiply by `share·w_q + (1 − share)·w_f` (`Parameter.useProjection`).
    package func useProjection(relaxationShare share: Float = 1, threads: Int) {
        for weight in weights { weight.useProjection(relaxationShare: share, threads: threads) }
    }

    /// The gradients of weights and biases, of this rank's images, become those of all ranks.
    func sumGradients(_ shards: Shards) throws {
        guard let room else { return }
        let sums = summedByLayers.map(\.gradient.values)
        try shards.collective.sumOverRanks(gradients.buffer, room: room.buffer)
        for (parameter, sum) in zip(summedByLayers, sums) { parameter.gradient.set(sum) }
    }

    /// - Parameter name: of one that the graph has.
    package subscript(_ name: String) -> Parameter {
        guard let parameter = byName[name] else { preconditionFailure("the network has no parameter \(name)") }
        return parameter
    }

    /// - Parameter name: of one that the graph may have.
    package func optional(_ name: String) -> Parameter? { byName[name] }

    package func statistic(_ name: String) -> NamedTensor {
        guard let statistic = statistics.first(where: { $0.name == name }) else {
            preconditionFailure("the network has no statistic \(name)")
        }
        return statistic
    }

    /// Initial values from the seed, one stream a parameter; step sizes that weights learn follow from these.
    func initialize(seed: UInt64) {
        for (index, parameter) in all.enumerated() {
            var random = Philox(seed: seed, stream: Self.initialStreams + UInt64(index))
            parameter.initialize(&random)
        }
        calibrateStepSizes(threads: 1)
    }

    /// The top byte of a stream number keeps the uses of one seed apart: 0x80 here, 0xD5 and 0xDA in `Datasets`.
    private static let initialStreams: UInt64 = 0x80 << 56
}
