// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Graph

/// What a step takes on several machines, one rank on each, from one that was measured on this one:
///
///     seconds = compute/P + 2·(1 − 1/P)·gradient bytes/bandwidth + gradient numbers·s_add + messages·log₂(P)·s_message
///
/// Nothing overlaps. An image is taken to cost the same in a smaller part of a mini-batch, which holds down to about 8 images.
public struct ClusterCost: Sendable {
    public let nodes: Int
    /// Gbit/s that one node sends and receives at a time.
    public let network: Double

    /// - Parameters:
    ///   - nodes: a power of two.
    ///   - network: Gbit/s that one node sends and receives at a time.
    public init(nodes: Int, network: Double) { (self.nodes, self.network) = (nodes, network) }

    /// A sum of two gradients' numbers with their way through memory, and one small message over Ethernet and TCP.
    private static let secondsAnAddition = 1.3e-9, secondsAMessage = 5e-5

    /// - Parameters:
    ///   - compute: of the whole mini-batch on one machine.
    ///   - numbers: of the gradient.
    ///   - messages: small ones of a step.
    func secondsAStep(compute: Double, numbers: Int, messages: Int) -> Double {
        compute / Double(nodes) + secondsAdded(numbers: numbers, messages: messages)
    }

    /// Small messages of a step: two a batch norm, and a few more.
    public static func messages(_ graph: NetworkGraph) -> Int { 6 + 2 * graph.nodes.count { $0.operation == .batchNorm } }

    /// What ranks add to a step.
    public func secondsAdded(numbers: Int, messages: Int) -> Double {
        guard nodes > 1 else { return 0 }
        let p = Double(nodes), bytes = 4 * Double(numbers)
        return 2 * (1 - 1 / p) * bytes * 8 / (network * 1e9) + Double(numbers) * Self.secondsAnAddition
            + Double(messages) * log2(p) * Self.secondsAMessage
    }
}
