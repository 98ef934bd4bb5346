// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Graph

extension Checkpoint {
    /// The names of step sizes that mean the same in a network as in the one that wrote this: of nodes that had the same quantizer there.
    /// `nil` in checkpoints from before graphs were kept.
    func stepSizes(sameAsIn graph: NetworkGraph) -> Set<String>? {
        guard let text = file.metadata["graph"], let before = StoredQuantizers.byStepSize(text),
            let now = StoredQuantizers.byStepSize(canonicalJSON(graph))
        else { return nil }
        return Set(now.keys.filter { before[$0] == now[$0] })
    }
}

/// What a graph's JSON says of its quantizers, by which step sizes can be compared: also of those that nobody here knows but by name, and
/// without coarse derivatives, which are not of the network but of its training.
private struct StoredQuantizers: Decodable {
    struct Node: Decodable {
        let name: String
        /// By its kind; a node has one.
        let operation: [String: Operation]
    }

    struct Operation: Decodable {
        /// Of an activation; of an addition the shortcut, which has none of a quantizer's keys.
        let activation: Quantizer?
        let weights: Quantizer?

        enum CodingKeys: String, CodingKey {
            case activation = "_0"
            case weights
        }
    }

    struct Quantizer: Decodable, Equatable {
        let function, quantizer: String?
        let bits: Int?
        let isPerChannel: Bool?

        enum CodingKeys: String, CodingKey {
            case function, quantizer, bits
            case isPerChannel = "per_channel"
        }
    }

    let nodes: [Node]

    /// By the names of the step sizes that the nodes have, if any; `nil` where the text is no graph.
    static func byStepSize(_ json: String) -> [String: Quantizer]? {
        guard let graph = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        var found: [String: Quantizer] = [:]
        for node in graph.nodes {
            for operation in node.operation.values {
                if let activation = operation.activation, let function = activation.function, function != "relu" {
                    found[node.name + ".resolution"] = activation
                }
                if let weights = operation.weights { found[node.name + ".weight.resolution"] = weights }
            }
        }
        return found
    }
}
