// SPDX-License-Identifier: GPL-3.0-or-later

/// What low precision, the packed model and the ONNX export treat as one: a convolution (or a linear layer, which is a
/// convolution over its whole map) with the batch norm, the addition and the activation that follow it; a maximum; or the
/// mean over pixels with the classifier.
public struct FusedUnit: Equatable, Sendable {
    public enum Kind: Equatable, Sendable { case convolution, maximum, classifier }

    public enum Shortcut: Equatable, Sendable {
        case none
        /// The map of an earlier unit.
        case map(unit: Int)
        case subsampled(unit: Int, stride: Int)
    }

    public let kind: Kind
    /// Of the convolution or classifier; `maxpoolN` for a maximum that is unit N.
    public let name: String
    /// The unit that is read; −1 is the image.
    public let input: Int
    public let shortcut: Shortcut
    /// The node of the convolution, linear layer or maximum.
    public let node: Int
    /// The nodes of the batch norm and of the activation, where there are.
    public let norm, activation: Int?
    /// Of a convolution (of a linear layer as one); of a maximum the window.
    public let kernel, stride, padding: Int
    public let output: FeatureShape
}

extension NetworkGraph {
    /// The network as units in the order of their execution.
    /// - Throws: `GraphError` naming the first node that is part of none.
    public func fused() throws -> [FusedUnit] {
        var fusion = Fusion(self)
        return try fusion.units()
    }
}

private struct Fusion {
    private let graph: NetworkGraph
    private let consumers: [[Int]]
    /// The unit whose map a node's is.
    private var unitOfNode: [Int: Int] = [-1: -1]

    init(_ graph: NetworkGraph) { (self.graph, consumers) = (graph, graph.consumers) }

    /// A unit's nodes, from the convolution, maximum or mean to the one whose map is the unit's.
    private struct Chain { var nodes: [Int]; var last: Int { nodes[nodes.count - 1] } }

    mutating func units() throws -> [FusedUnit] {
        var (chains, taken): ([Chain], Set<Int>) = ([], [])
        for index in graph.nodes.indices where !taken.contains(index) {
            let chain = try chain(from: index)
            taken.formUnion(chain.nodes)
            chains.append(chain)
        }
        // A unit runs when all that it reads is there: a projection before the addition that reads it.
        chains.sort { $0.last < $1.last }
        var units: [FusedUnit] = []
        for chain in chains {
            units.append(try unit(chain, number: units.count))
            unitOfNode[chain.last] = units.count - 1
        }
        guard units.last?.kind == .classifier, units.filter({ $0.kind == .classifier }).count == 1 else {
            throw GraphError("a network in low precision ends with one classifier: a linear layer without batch norm")
        }
        return units
    }

    /// The only reader of a node's map that reads it first; `nil` where there are more.
    private func next(_ node: Int) -> Int? {
        guard consumers[node].count == 1, graph.nodes[consumers[node][0]].inputs[0] == node else { return nil }
        return consumers[node][0]
    }

    private func chain(from index: Int) throws -> Chain {
        let node = graph.nodes[index]
        switch node.operation {
        case .maxPool: return Chain(nodes: [index])
        case .meanPool:
            guard let linear = next(index), case .linear = graph.nodes[linear].operation, consumers[linear].isEmpty else {
                throw GraphError("in low precision the mean over pixels is followed by the classifier alone")
            }
            return Chain(nodes: [index, linear])
        case .linear where consumers[index].isEmpty: return Chain(nodes: [index])
        case .convolution, .linear: break
        case .batchNorm, .activation, .add:
            throw GraphError("node \(index) \(node.name): low precision knows it only after a convolution or linear layer")
        }
        guard let norm = next(index), case .batchNorm = graph.nodes[norm].operation else {
            throw GraphError("\(node.name): in low precision a batch norm follows every convolution")
        }
        var chain = Chain(nodes: [index, norm])
        if let add = next(norm), case .add = graph.nodes[add].operation { chain.nodes.append(add) }
        if let activation = next(chain.last), case .activation = graph.nodes[activation].operation { chain.nodes.append(activation) }
        return chain
    }

    private func unit(_ chain: Chain, number: Int) throws -> FusedUnit {
        func node(_ matches: (NetworkGraph.Operation) -> Bool) -> Int? { chain.nodes.first { matches(graph.nodes[$0].operation) } }
        let (first, nodes) = (chain.nodes[0], graph.nodes)
        func made(_ kind: FusedUnit.Kind, _ name: String, node main: Int, window: (kernel: Int, stride: Int, padding: Int)) throws
            -> FusedUnit
        {
            FusedUnit(
                kind: kind, name: name, input: try source(nodes[first].inputs[0]), shortcut: try shortcut(chain), node: main,
                norm: node { $0 == .batchNorm }, activation: node { if case .activation = $0 { true } else { false } },
                kernel: window.kernel, stride: window.stride, padding: window.padding, output: graph.shapes[chain.last])
        }
        switch nodes[first].operation {
        case .maxPool(let window, let stride, let padding):
            return try made(.maximum, "maxpool\(number)", node: first, window: (window, stride, padding))
        case .convolution(_, let kernel, let stride, let padding, _, _):
            return try made(.convolution, nodes[first].name, node: first, window: (kernel, stride, padding))
        case .linear where chain.nodes.count > 1:
            let map = graph.shape(nodes[first].inputs[0])
            guard map.height == map.width else {
                throw GraphError("\(nodes[first].name): in low precision a linear layer reads a square map")
            }
            return try made(.convolution, nodes[first].name, node: first, window: (map.height, 1, 0))
        default:
            let map = graph.shape(nodes[first].inputs[0])
            if case .linear = nodes[first].operation, map.height * map.width > 1 {
                throw GraphError("\(nodes[first].name): in low precision the classifier reads one pixel, or the mean over pixels")
            }
            return try made(.classifier, nodes[chain.last].name, node: chain.last, window: (1, 1, 0))
        }
    }

    /// The unit that makes a node's map.
    private func source(_ node: Int) throws -> Int {
        guard let unit = unitOfNode[node] else {
            throw GraphError("node \(node): in low precision maps are read after the batch norm and activation, not inside of a unit")
        }
        return unit
    }

    private func shortcut(_ chain: Chain) throws -> FusedUnit.Shortcut {
        for index in chain.nodes {
            guard case .add(let shortcut) = graph.nodes[index].operation else { continue }
            let unit = try source(graph.nodes[index].inputs[1])
            guard unit >= 0 else { throw GraphError("in low precision a shortcut comes from a unit, not from the image") }
            return switch shortcut {
            case .identity: .map(unit: unit)
            case .subsampled(let stride): .subsampled(unit: unit, stride: stride)
            }
        }
        return .none
    }
}
