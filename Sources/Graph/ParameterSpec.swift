// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization

/// A learned tensor of a network before there is memory for it.
public struct ParameterSpec: Equatable, Sendable {
    public enum Kind: Sendable {
        /// A convolution's or linear layer's weights, which may be quantized.
        case weight
        /// A bias, or batch norm's scale or shift.
        case affine
        /// The step size α of a quantized activation (paper: resolution), shape `[1]`, or of weights that learn it, one a slice.
        case stepSize
    }

    /// What the values are before training.
    public enum Initial: Equatable, Sendable {
        case constant(Float)
        /// With mean 0.
        case normal(deviation: Double)
    }

    /// Unique in its network, such as `layer1.0.conv1.weight`.
    public let name: String
    public let kind: Kind
    /// Of a weight, the output channels first.
    public let shape: [Int]
    public let initial: Initial
    /// Of a weight; `nil` for float ones.
    public let quantization: WeightQuantization?
    /// Keeps its initial value.
    public let isFixed: Bool

    public init(
        _ name: String, _ kind: Kind, shape: [Int], initial: Initial = .constant(0), quantization: WeightQuantization? = nil,
        isFixed: Bool = false
    ) {
        (self.name, self.kind, self.shape, self.initial) = (name, kind, shape, initial)
        (self.quantization, self.isFixed) = (quantization, isFixed)
    }

    /// A weight, after its learned step sizes where it has any: an update is to change them first.
    fileprivate static func weight(_ name: String, shape: [Int], deviation: Double, _ quantization: WeightQuantization?) -> [ParameterSpec]
    {
        let weight = ParameterSpec(name, .weight, shape: shape, initial: .normal(deviation: deviation), quantization: quantization)
        guard let quantization, quantization.quantizer is any LearnedStepSizeQuantizer else { return [weight] }
        return [
            ParameterSpec(name + ".resolution", .stepSize, shape: [quantization.isPerChannel ? shape[0] : 1], initial: .constant(1)), weight
        ]
    }

    public var count: Int { shape.reduce(1, *) }
}

/// A tensor `[C]` that belongs to a network's state without being learned (running statistics).
public struct StatisticSpec: Equatable, Sendable {
    public let name: String
    public let channels: Int
    public let initial: Float
}

extension NetworkGraph {
    /// All learned tensors in the order of their initialisation.
    public var parameters: [ParameterSpec] { nodes.indices.flatMap(parameters(of:)) }

    /// Running statistics in the order of the nodes.
    public var statistics: [StatisticSpec] {
        nodes.indices.flatMap { index -> [StatisticSpec] in
            guard case .batchNorm = nodes[index].operation else { return [] }
            let (name, channels) = (nodes[index].name, shapes[index].channels)
            return [
                StatisticSpec(name: name + ".running_mean", channels: channels, initial: 0),
                StatisticSpec(name: name + ".running_var", channels: channels, initial: 1)
            ]
        }
    }

    /// The weights of convolutions start as normal(0, √(2/(K·K·O))) (METHOD.md part 2), those of linear layers as
    /// normal(0, √(2/I)), as [A] has them; biases at 0, batch norm at scale 1 and shift 0, step sizes at 1.
    public func parameters(of index: Int) -> [ParameterSpec] {
        let node = nodes[index], (name, input) = (node.name, shape(node.inputs[0]))
        switch node.operation {
        case .convolution(let channels, let kernel, _, _, let hasBias, let weights):
            return ParameterSpec.weight(
                name + ".weight", shape: [channels, input.channels, kernel, kernel],
                deviation: (2 / Double(kernel * kernel * channels)).squareRoot(), weights)
                + (hasBias ? [ParameterSpec(name + ".bias", .affine, shape: [channels])] : [])
        case .batchNorm:
            return [
                ParameterSpec(name + ".weight", .affine, shape: [input.channels], initial: .constant(1)),
                ParameterSpec(name + ".bias", .affine, shape: [input.channels])
            ]
        case .activation(.relu), .add, .maxPool, .meanPool: return []
        case .activation(.quantized(let quantizer)):
            return [
                ParameterSpec(
                    name + ".resolution", .stepSize, shape: [1], initial: .constant(quantizer.fixedStepSize ?? 1),
                    isFixed: quantizer.fixedStepSize != nil)
            ]
        case .linear(let outputs, let weights):
            return ParameterSpec.weight(
                name + ".weight", shape: [outputs, input.count], deviation: (2 / Double(input.count)).squareRoot(), weights)
                + [ParameterSpec(name + ".bias", .affine, shape: [outputs])]
        }
    }
}
