// SPDX-License-Identifier: GPL-3.0-or-later

/// A map of a network that is being written: each layer gives the next map. A layer that does not fit is reported by
/// `NetworkGraph.init`; what is written after it has no effect.
public struct Map {
    final class Builder {
        var graph: NetworkGraph
        var error: GraphError?

        init(_ graph: NetworkGraph) { self.graph = graph }

        func append(_ node: NetworkGraph.Node) -> Int {
            guard error == nil else { return graph.nodes.count - 1 }
            do { try graph.append(node) } catch { self.error = error as? GraphError ?? GraphError("\(error)") }
            return graph.nodes.count - 1
        }
    }

    private let builder: Builder
    /// That makes it; −1 for the image.
    let node: Int

    init(_ builder: Builder, _ node: Int) { (self.builder, self.node) = (builder, node) }

    public var shape: FeatureShape { builder.graph.shape(node) }

    private func appending(_ name: String, _ operation: NetworkGraph.Operation, _ other: Map? = nil) -> Map {
        Map(builder, builder.append(.init(name: name, operation: operation, inputs: [node] + (other.map { [$0.node] } ?? []))))
    }

    /// - Parameters:
    ///   - name: of its tensors.
    ///   - channels: of the output.
    ///   - kernel: its side, in pixels.
    ///   - stride: pixels from one output to the next.
    ///   - padding: zeros on each side; half the kernel if not given, so that stride 1 keeps the size.
    ///   - hasBias: adds a number to each channel.
    public func conv(_ name: String, _ channels: Int, kernel: Int, stride: Int = 1, padding: Int? = nil, hasBias: Bool = false) -> Map {
        appending(
            name,
            .convolution(channels: channels, kernel: kernel, stride: stride, padding: padding ?? kernel / 2, hasBias: hasBias, weights: nil)
        )
    }

    public func norm(_ name: String) -> Map { appending(name, .batchNorm) }
    public func act(_ name: String) -> Map { appending(name, .activation(.relu)) }
    public func linear(_ name: String, _ outputs: Int) -> Map { appending(name, .linear(outputs: outputs, weights: nil)) }
    public func meanPool() -> Map { appending("", .meanPool) }
    public func add(_ other: Map, _ shortcut: NetworkGraph.Shortcut = .identity) -> Map { appending("", .add(shortcut), other) }

    /// - Parameters:
    ///   - window: its side, in pixels.
    ///   - stride: the window, if not given.
    ///   - padding: on each side.
    public func maxPool(_ window: Int, stride: Int? = nil, padding: Int = 0) -> Map {
        appending("", .maxPool(window: window, stride: stride ?? window, padding: padding))
    }
}
