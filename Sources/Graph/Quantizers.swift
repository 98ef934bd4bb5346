// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization

/// How the weights of a layer are quantized.
public struct WeightQuantization: Equatable, Sendable {
    public let quantizer: any WeightQuantizer
    /// One step size δ for each output channel instead of one for the layer.
    public let isPerChannel: Bool

    public init(_ quantizer: any WeightQuantizer, isPerChannel: Bool = false) {
        (self.quantizer, self.isPerChannel) = (quantizer, isPerChannel)
    }

    public static func == (a: Self, b: Self) -> Bool { a.quantizer.name == b.quantizer.name && a.isPerChannel == b.isPerChannel }

    /// Integer weights are ±1, never 0.
    public var isBinary: Bool { quantizer.name == BinaryProjection().name }
    /// That integer weights take: 1 for ±1, else so many that ±`maximumIntegerWeight` and 0 fit.
    public var bits: Int { isBinary ? 1 : (2...8).first { 1 << ($0 - 1) - 1 >= quantizer.maximumIntegerWeight } ?? 8 }
}

/// What follows a batch norm or a sum.
public enum ActivationFunction: Equatable, Sendable {
    /// max(x, 0): float activations.
    case relu
    /// With its step size α, `NAME.resolution`, one for the layer.
    case quantized(any ActivationQuantizer)

    public static func == (a: Self, b: Self) -> Bool { a.quantizer?.name == b.quantizer?.name }

    public var quantizer: (any ActivationQuantizer)? { if case .quantized(let quantizer) = self { quantizer } else { nil } }
}

extension NetworkGraph {
    /// The same network with these quantizers.
    /// - Parameters:
    ///   - activation: of every activation.
    ///   - weights: of a convolution or linear layer, given the node and its place among them; `nil` leaves it float.
    public func quantized(
        activation: (_ layer: Node) throws -> ActivationFunction, weights: (_ layer: Node, _ index: Int) throws -> WeightQuantization?
    ) rethrows -> NetworkGraph {
        var operations: [Operation] = [], index = 0
        for node in nodes {
            switch node.operation {
            case .convolution(let channels, let kernel, let stride, let padding, let hasBias, _):
                let own = try weights(node, index)
                operations.append(
                    .convolution(channels: channels, kernel: kernel, stride: stride, padding: padding, hasBias: hasBias, weights: own))
                index += 1
            case .linear(let outputs, _):
                operations.append(.linear(outputs: outputs, weights: try weights(node, index)))
                index += 1
            case .activation: operations.append(.activation(try activation(node)))
            case .batchNorm, .add, .maxPool, .meanPool: operations.append(node.operation)
            }
        }
        return with(operations)
    }

    /// The same network with one rule for all its weights and one for all its activations.
    public func quantized(_ activation: ActivationFunction, _ weights: WeightQuantization?) -> NetworkGraph {
        quantized(activation: { _ in activation }, weights: { _, _ in weights })
    }

    /// Whether any weights or activations are quantized.
    public var hasQuantizers: Bool { nodes.contains { $0.operation.hasQuantizer } }

    /// Names of the convolutions and linear layers, from the first to the last.
    public var weightedLayers: [String] {
        nodes.compactMap { node in
            switch node.operation {
            case .convolution, .linear: node.name
            case .batchNorm, .activation, .add, .maxPool, .meanPool: nil
            }
        }
    }
}

extension NetworkGraph.Operation {
    /// Whether its weights or activations are quantized.
    package var hasQuantizer: Bool {
        if case .activation(let function) = self { function.quantizer != nil } else { weights != nil }
    }
}

/// Quantizers of one's own, by whose names a graph from a file is given them back.
public struct OwnQuantizers: Sendable {
    public let activations: [any ActivationQuantizer]
    public let weights: [any WeightQuantizer]

    public init(activations: [any ActivationQuantizer] = [], weights: [any WeightQuantizer] = []) {
        (self.activations, self.weights) = (activations, weights)
    }

    /// For the decoder of a graph.
    public static let key = CodingUserInfoKey(rawValue: "own quantizers")

    fileprivate static func given(to decoder: any Decoder) -> OwnQuantizers {
        key.flatMap { decoder.userInfo[$0] as? OwnQuantizers } ?? OwnQuantizers()
    }
}

// Written out: a file's numbers go through the checking initialisers.

extension WeightQuantization: Codable {
    enum CodingKeys: String, CodingKey {
        case quantizer, bits, ternary
        case iterations = "lloyd_iterations"
        case isPerChannel = "per_channel"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(isPerChannel, forKey: .isPerChannel)
        guard let projection = quantizer as? WeightProjection else { return try container.encode(quantizer.name, forKey: .quantizer) }
        try container.encode(projection.bits, forKey: .bits)
        try container.encode(projection.ternary, forKey: .ternary)
        try container.encode(projection.maximumIterations, forKey: .iterations)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        isPerChannel = try container.decode(Bool.self, forKey: .isPerChannel)
        if let name = try container.decodeIfPresent(String.self, forKey: .quantizer) {
            guard let own = NamedQuantizers.weights(name) ?? OwnQuantizers.given(to: decoder).weights.first(where: { $0.name == name })
            else {
                throw GraphError(
                    "the weights' quantizer \(name) is none of this suite's: whoever reads the graph must give it (OwnQuantizers)")
            }
            quantizer = own
            return
        }
        quantizer = try WeightProjection(
            bits: container.decode(Int.self, forKey: .bits), maximumIterations: container.decode(Int.self, forKey: .iterations),
            ternary: container.decode(TernaryRule.self, forKey: .ternary))
    }
}

extension ActivationFunction: Codable {
    enum CodingKeys: String, CodingKey {
        case function, bits
        case inputDerivative = "input_derivative"
        case stepSizeDerivative = "resolution_derivative"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        guard let function = quantizer as? QuantizedReLU else { return try container.encode(quantizer?.name ?? "relu", forKey: .function) }
        try container.encode("quantized-relu", forKey: .function)
        try container.encode(function.bits, forKey: .bits)
        try container.encode(function.inputDerivative, forKey: .inputDerivative)
        try container.encode(function.stepSizeDerivative, forKey: .stepSizeDerivative)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .function) {
        case "relu": self = .relu
        case "quantized-relu":
            self = .quantized(
                try QuantizedReLU(
                    bits: container.decode(Int.self, forKey: .bits),
                    inputDerivative: container.decode(CoarseInputDerivative.self, forKey: .inputDerivative),
                    stepSizeDerivative: container.decode(CoarseStepSizeDerivative.self, forKey: .stepSizeDerivative)))
        case let name:
            guard
                let own = NamedQuantizers.activation(name) ?? OwnQuantizers.given(to: decoder).activations.first(where: { $0.name == name })
            else {
                throw GraphError("the activation \(name) is none of this suite's: whoever reads the graph must give it (OwnQuantizers)")
            }
            self = .quantized(own)
        }
    }
}
