// SPDX-License-Identifier: GPL-3.0-or-later
import Graph

extension Recipe {
    /// The recipe's network for images of a shape, with its quantizers.
    /// - Throws: `GraphError` for images that are too small for the network, `RecipeError` for impossible settings.
    public func graph(input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try quantized(try NetworkGraph.named(network, input: input, classes: classes))
    }

    /// A network of one's own with the recipe's quantizers, where it names none itself.
    /// - Throws: `RecipeError` when `layer_bits` names a layer that the network does not have.
    public func quantized(_ graph: NetworkGraph) throws -> NetworkGraph {
        try expectLayers(of: graph)
        let last = graph.weightedLayers.count - 1
        return try graph.quantized { layer in
            if case .activation(let own) = layer.operation, own != .relu { return own }
            return try activation(bits: layerBits?[layer.name] ?? activationBits)
        } weights: { layer, index in
            if let own = layer.operation.weights { return own }
            let bits = layerBits?[layer.name] ?? (index == 0 ? layerBits?["first"] : nil) ?? (index == last ? layerBits?["last"] : nil)
            return try weights(bits: bits ?? (quantizes(layer, isOuter: index == 0 || index == last) ? weightBits : 32))
        }
    }

    private func quantizes(_ layer: NetworkGraph.Node, isOuter: Bool) -> Bool {
        switch quantizedLayers {
        case .all: true
        case .inner: !isOuter
        case .convolutions: if case .convolution = layer.operation { true } else { false }
        }
    }

    private func expectLayers(of graph: NetworkGraph) throws {
        let names = Set(graph.nodes.filter { $0.operation != .batchNorm }.map(\.name) + ["first", "last"]).subtracting([""])
        if let unknown = layerBits?.keys.sorted().first(where: { !names.contains($0) }) {
            throw RecipeError(
                "layer_bits names \(unknown), which \(network) does not have; there are \(names.sorted().joined(separator: ", "))",
                key: "layer_bits")
        }
    }

    /// Training multiplies by weights that are not quantized.
    public var relaxesWeights: Bool { method == .binaryRelax }
}
