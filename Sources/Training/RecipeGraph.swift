// SPDX-License-Identifier: GPL-3.0-or-later
import Graph

extension Recipe {
    /// The recipe's network for images of a shape, with its quantizers.
    /// - Throws: `GraphError` for images that are too small for the network, `RecipeError` for impossible settings.
    public func graph(input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try quantized(try NetworkGraph.named(network, input: input, classes: classes))
    }

    /// A network of one's own with the recipe's quantizers, where it names none itself.
    public func quantized(_ graph: NetworkGraph) throws -> NetworkGraph {
        let (activation, last) = (try activation(), graph.weightedLayers.count - 1)
        let weights = try weightProjection().map { WeightQuantization($0, isPerChannel: scaling == .perChannel) }
        return graph.quantized { layer in
            if case .activation(let own) = layer.operation, own != .relu { own } else { activation }
        } weights: { layer, index in
            if let own = layer.operation.weights { return own }
            return switch quantizedLayers {
            case .all: weights
            case .inner: index > 0 && index < last ? weights : nil
            case .convolutions: if case .convolution = layer.operation { weights } else { nil }
            }
        }
    }

    /// Training multiplies by weights that are not quantized.
    public var relaxesWeights: Bool { method == .binaryRelax }
}
