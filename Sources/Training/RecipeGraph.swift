// SPDX-License-Identifier: GPL-3.0-or-later
import Graph
import Quantization

extension Recipe {
    /// The recipe's network for images of a shape, with its quantizers.
    /// - Throws: `GraphError` for images that are too small for the network, `RecipeError` for impossible settings.
    public func graph(input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try quantized(try NetworkGraph.named(network, input: input, classes: classes))
    }

    /// A network of one's own with the recipe's quantizers, where it names none itself.
    /// - Throws: `RecipeError` when `layer_bits` names a layer that the network does not have, or gives one bits that its quantizer cannot
    ///   have, `GraphError` where two tensors or nodes with tensors would have one name.
    public func quantized(_ graph: NetworkGraph) throws -> NetworkGraph {
        try expectLayers(of: graph)
        let last = graph.weightedLayers.count - 1
        let result = try graph.quantized { layer in
            if case .activation(let own) = layer.operation, own != .relu { return own }
            let key = layerBits?[layer.name] == nil ? nil : layer.name
            return try naming(key, layer) { try activation(bits: activationBits(of: layer)) }
        } weights: { layer, index in
            if let own = layer.operation.weights { return own }
            return try naming(key(of: layer, index, last: last), layer) { try weights(bits: weightBits(of: layer, index, last: last)) }
        }
        try result.expectDistinctTensors()
        return result
    }

    /// What `make` makes of a layer's bits, which `layer_bits` gives under the key, if there is one.
    private func naming<Value>(_ key: String?, _ layer: NetworkGraph.Node, _ make: () throws -> Value) throws -> Value {
        guard let key else { return try make() }
        do { return try make() } catch QuantizationError.bits(let found, let what, let allowed) {
            throw RecipeError(
                "layer_bits: \(key == layer.name ? key : "\(key) (\(layer.name))") must be \(allowed.lowerBound) to "
                    + "\(allowed.upperBound), or 32 for none, not \(found): \(what)", key: Key.layerBits.rawValue)
        }
    }

    private func activationBits(of layer: NetworkGraph.Node) -> Int { layerBits?[layer.name] ?? activationBits }

    private func weightBits(of layer: NetworkGraph.Node, _ index: Int, last: Int) -> Int {
        let bits = key(of: layer, index, last: last).flatMap { layerBits?[$0] }
        return bits ?? (quantizes(layer, isOuter: index == 0 || index == last) ? weightBits : 32)
    }

    /// Under which `layer_bits` gives bits to a layer's weights: its own name goes before its place.
    private func key(of layer: NetworkGraph.Node, _ index: Int, last: Int) -> String? {
        let keys = [layer.name] + (index == 0 ? ["first"] : []) + (index == last ? ["last"] : [])
        return keys.first { layerBits?[$0] != nil }
    }

    /// The names of step sizes that mean the same in networks of another recipe, as far as recipes tell (`Checkpoint.stepSizes` knows what
    /// was built): of layers with the same bits and quantizer there. Coarse derivatives may differ, as they are not of the network but of
    /// its training.
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
                key: Key.layerBits.rawValue)
        }
        let layers = graph.weightedLayers
        func hasOwnQuantizer(_ key: String) -> Bool {
            let name = key == "first" ? layers.first : key == "last" ? layers.last : key
            return graph.nodes.contains { $0.name == name && $0.operation.hasQuantizer }
        }
        if let own = layerBits?.keys.sorted().first(where: hasOwnQuantizer) {
            throw RecipeError(
                "layer_bits: \(own) has a quantizer of its own in \(network), which has its own bits: leave \(own) out",
                key: Key.layerBits.rawValue)
        }
    }
}
