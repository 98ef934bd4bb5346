// SPDX-License-Identifier: GPL-3.0-or-later
import Graph

extension Recipe {
    /// The recipe's network for images of a shape, with its quantizers.
    /// - Throws: `GraphError` for images that are too small for the network, `RecipeError` for impossible settings.
    public func graph(input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try quantized(try NetworkGraph.named(network, input: input, classes: classes))
    }

    /// A network of one's own with the recipe's quantizers, where it names none itself.
    /// - Throws: `RecipeError` when `layer_bits` names a layer that the network does not have, `GraphError` where two tensors would have
    ///   one name.
    public func quantized(_ graph: NetworkGraph) throws -> NetworkGraph {
        try expectLayers(of: graph)
        let last = graph.weightedLayers.count - 1
        let result = try graph.quantized { layer in
            if case .activation(let own) = layer.operation, own != .relu { return own }
            return try activation(bits: activationBits(of: layer))
        } weights: { layer, index in
            if let own = layer.operation.weights { return own }
            return try weights(bits: weightBits(of: layer, index, last: last))
        }
        try result.expectDistinctTensors()
        return result
    }

    private func activationBits(of layer: NetworkGraph.Node) -> Int { layerBits?[layer.name] ?? activationBits }

    private func weightBits(of layer: NetworkGraph.Node, _ index: Int, last: Int) -> Int {
        let bits = layerBits?[layer.name] ?? (index == 0 ? layerBits?["first"] : nil) ?? (index == last ? layerBits?["last"] : nil)
        return bits ?? (quantizes(layer, isOuter: index == 0 || index == last) ? weightBits : 32)
    }

    /// The names of step sizes that mean the same in networks of another recipe: of layers with the same bits and quantizer there. Coarse
    /// derivatives may differ, as they are not of the network but of its training.
    func stepSizes(of graph: NetworkGraph, sameAsIn other: Recipe) -> [String] {
        let activations = graph.nodes.filter { layer in
            if case .activation = layer.operation { true } else { false }
        }.filter { activationQuantizer == other.activationQuantizer && activationBits(of: $0) == other.activationBits(of: $0) }
        let layers = graph.weightedLayers.compactMap { name in graph.nodes.first { $0.name == name } }, last = layers.count - 1
        let weights = layers.enumerated().filter { index, layer in
            weightQuantizer == other.weightQuantizer && scaling == other.scaling
                && weightBits(of: layer, index, last: last) == other.weightBits(of: layer, index, last: last)
        }.map(\.element)
        return activations.map { $0.name + ".resolution" } + weights.map { $0.name + ".weight.resolution" }
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
