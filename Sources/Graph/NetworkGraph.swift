// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization

/// A network as a value: nodes in an order in which each reads earlier ones, from an image `[H, W, C]` to class scores.
///
/// It says everything that the backends, the exports and the estimates of costs need: shapes, bits, quantizers, and the
/// tensors' names and order. Networks are written with `Map` (`ResNet.swift`, `VGG.swift`, `LeNet.swift`), in floats;
/// `quantized` gives them their bits.
public struct NetworkGraph: Equatable, Sendable {
    public struct Node: Codable, Equatable, Sendable {
        /// The first part of its tensors' names; no two nodes with tensors share one.
        public let name: String
        public internal(set) var operation: Operation
        /// The nodes whose maps it reads; −1 is the image.
        public let inputs: [Int]
    }

    /// What a node computes. Weights and activations are float unless a quantizer is named.
    public enum Operation: Codable, Equatable, Sendable {
        /// Square, with weights `NAME.weight [O, I, K, K]` and, if asked, `NAME.bias [O]`.
        case convolution(channels: Int, kernel: Int, stride: Int, padding: Int, hasBias: Bool, weights: WeightQuantization?)
        /// `NAME.weight`, `NAME.bias`, `NAME.running_mean`, `NAME.running_var`, `[C]`.
        case batchNorm
        case activation(ActivationFunction)
        /// The first input plus a shortcut from the second.
        case add(Shortcut)
        /// Over square windows; ties go to the first value in row-major order.
        case maxPool(window: Int, stride: Int, padding: Int)
        /// Over all pixels, to one.
        case meanPool
        /// `NAME.weight [O, I]`, `NAME.bias [O]`, over all of the map: its channels, each with its rows and columns, are the
        /// inputs, as PyTorch flattens.
        case linear(outputs: Int, weights: WeightQuantization?)

        /// How a convolution's or linear layer's weights are quantized; `nil` for float ones.
        public var weights: WeightQuantization? {
            switch self {
            case .convolution(_, _, _, _, _, let weights), .linear(_, let weights): weights
            case .batchNorm, .activation, .add, .maxPool, .meanPool: nil
            }
        }
    }

    /// What becomes of the map that a shortcut adds.
    public enum Shortcut: Codable, Equatable, Sendable {
        case identity
        /// Every `stride`-th pixel, the channels padded with as many zeros on both sides (METHOD.md part 2).
        case subsampled(stride: Int)
    }

    public let input: FeatureShape
    public private(set) var nodes: [Node] = []
    /// Of each node's map.
    public private(set) var shapes: [FeatureShape] = []

    /// - Parameters:
    ///   - input: the shape of an image.
    ///   - body: the network, from the image's map to the scores', which its last layer makes.
    /// - Throws: `GraphError` naming the first node that does not fit what it reads, or the last one where the scores are another's.
    public init(_ input: FeatureShape, _ body: (Map) -> Map) throws {
        let builder = Map.Builder(NetworkGraph(input: input)), scores = body(Map(builder, -1))
        if let error = builder.error { throw error }
        self = builder.graph
        guard let last = nodes.last else { throw GraphError("a network needs a layer") }
        guard scores.node == nodes.count - 1 else {
            throw GraphError(
                "node \(nodes.count - 1)\(last.name.isEmpty ? "" : " (\(last.name))") comes last, but the scores are those of "
                    + "\(scores.node < 0 ? "the image" : "node \(scores.node)"): write the layer that makes them after all others")
        }
    }

    init(input: FeatureShape) { self.input = input }

    /// The shape of the map that an input of a node names.
    public func shape(_ node: Int) -> FeatureShape { node < 0 ? input : shapes[node] }

    /// Class scores, or channels of whatever comes last.
    public var classes: Int { shapes.last?.channels ?? 0 }

    /// The nodes that read each node's map.
    public var consumers: [[Int]] {
        var all = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() { for input in node.inputs where input >= 0 { all[input].append(index) } }
        return all
    }

    /// Adds a node that fits.
    /// - Throws: `GraphError`.
    mutating func append(_ node: Node) throws {
        let shape = try NodeCheck(graph: self, node: node).output()
        nodes.append(node)
        shapes.append(shape)
    }

    /// The same network with other operations, each of the same kind and shape as its node's.
    func with(_ operations: [Operation]) -> NetworkGraph {
        var graph = self
        for (index, operation) in operations.enumerated() { graph.nodes[index].operation = operation }
        return graph
    }

    /// Whether its tensors can be told apart: quantizers give activations a step size, `NAME.resolution`, and weights that learn it
    /// `NAME.weight.resolution`.
    /// - Throws: `GraphError` naming one that there would be twice, or a node with tensors that has no name of its own.
    public func expectDistinctTensors() throws {
        var known: Set<String> = []
        if let twice = (parameters.map(\.name) + statistics.map(\.name)).first(where: { !known.insert($0).inserted }) {
            throw GraphError("the network has two tensors \(twice): give its activations and layers names of their own")
        }
        // Nobody asked for the name of an activation before its quantizer gave it a tensor; readers of the graph will.
        var again = NetworkGraph(input: input)
        for node in nodes { try again.append(node) }
    }

    /// Multiply-adds of one image's forward pass: convolutions, taps on the padding counted, and linear layers.
    public var multiplyAdds: Int {
        nodes.indices.reduce(0) { sum, index in
            switch nodes[index].operation {
            case .convolution(let channels, let kernel, let stride, let padding, _, _):
                sum
                    + ConvolutionShape(
                        input: shape(nodes[index].inputs[0]), outputChannels: channels, kernel: kernel, stride: stride, padding: padding
                    ).multiplyAdds
            case .linear(let outputs, _): sum + outputs * shape(nodes[index].inputs[0]).count
            default: sum
            }
        }
    }
}

/// A network that cannot be; one line: the node, what was expected, what was found.
public struct GraphError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description.split(whereSeparator: \.isNewline).joined(separator: " ") }
}

extension NetworkGraph: Codable {
    enum CodingKeys: CodingKey { case input, nodes }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(input, forKey: .input)
        try container.encode(nodes, forKey: .nodes)
    }

    /// - Throws: `GraphError` for nodes that do not fit.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(input: try container.decode(FeatureShape.self, forKey: .input))
        let nodes = try container.decode([Node].self, forKey: .nodes)
        guard (1...10_000).contains(nodes.count) else { throw GraphError("a network has 1 to 10000 nodes, not \(nodes.count)") }
        for node in nodes { try append(node) }
    }
}
