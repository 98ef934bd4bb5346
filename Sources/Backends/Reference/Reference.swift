// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// The readable backend: one f32 layer for each node of the graph.
///
/// Forward, nodes run in order. Backward, each node is given the sum of what the nodes that read its map passed on.
package final class Reference: Executable {
    private let graph: NetworkGraph
    /// Of each node; none for additions.
    private let layers: [(any Layer)?]
    /// How an addition's second map is added.
    private let additions: [ck_shortcut?]
    /// Of the last forward pass: each node's map, and the images.
    private var maps: [Tensor?]
    private var images: Tensor?
    /// Room for a sum: of maps where an addition may not overwrite the first, of gradients where no layer made room.
    private var sums: [Int: Tensor] = [:], gradientSums: [Int: Tensor] = [:]
    private let consumers: [[Int]]
    /// Of the last backward pass: the gradient in the images, where it is wanted.
    package private(set) var imageGradient: Tensor?
    private let wantsImageGradient: Bool
    private let batch: Int
    private let threads: Int32

    /// - Parameter wantsImageGradient: training has no use for it.
    package init(_ graph: NetworkGraph, _ tensors: Parameters, wantsImageGradient: Bool = false, in context: ExecutionContext) throws {
        (self.graph, self.wantsImageGradient) = (graph, wantsImageGradient)
        (layers, additions, consumers) = (
            try graph.nodes.indices.map { try Self.layer($0, graph, tensors, wantsImageGradient, in: context) },
            graph.nodes.indices.map { Self.addition($0, graph) }, graph.consumers
        )
        (maps, batch, threads) = (Array(repeating: nil, count: graph.nodes.count), context.batch, context.threads)
    }

    private static func layer(
        _ index: Int, _ graph: NetworkGraph, _ tensors: Parameters, _ wantsImageGradient: Bool, in context: ExecutionContext
    ) throws -> (any Layer)? {
        let node = graph.nodes[index], (input, isFirst) = (graph.shape(node.inputs[0]), node.inputs[0] < 0 && !wantsImageGradient)
        func parameter(_ suffix: String) -> Parameter { tensors[node.name + suffix] }
        switch node.operation {
        case .convolution(let channels, let kernel, let stride, let padding, let hasBias, _):
            let shape = ConvolutionShape(input: input, outputChannels: channels, kernel: kernel, stride: stride, padding: padding)
            return ConvolutionLayer(
                shape, weight: parameter(".weight"), bias: hasBias ? parameter(".bias") : nil, isFirst: isFirst, in: context)
        case .linear: return LinearLayer(input, weight: parameter(".weight"), bias: parameter(".bias"), in: context)
        case .batchNorm:
            return BatchNormLayer(
                input, scale: parameter(".weight"), shift: parameter(".bias"), runningMean: tensors.statistic(node.name + ".running_mean"),
                runningVariance: tensors.statistic(node.name + ".running_var"), in: context)
        case .activation(.relu): return ReLULayer(input, in: context)
        case .activation(.quantized(let quantizer)):
            return QuantizedActivationLayer(quantizer, input, stepSize: parameter(".resolution"), in: context)
        case .maxPool(let window, let stride, let padding):
            return MaxPoolLayer(input, window: window, stride: stride, padding: padding, in: context)
        case .meanPool: return GlobalMeanPoolLayer(input, in: context)
        case .add: return nil
        }
    }

    private static func addition(_ index: Int, _ graph: NetworkGraph) -> ck_shortcut? {
        guard case .add(let shortcut) = graph.nodes[index].operation else { return nil }
        return ck_shortcut(shortcut, from: graph.shape(graph.nodes[index].inputs[1]), to: graph.shapes[index])
    }

    private func map(_ node: Int) -> Tensor {
        guard let map = node < 0 ? images : maps[node] else { preconditionFailure("a map is read before it is made") }
        return map
    }

    /// Of the last forward pass: the map that an activation read, which stays whole until the next one.
    package func input(of activation: Int) -> Tensor { map(graph.nodes[activation].inputs[0]) }

    package func forward(_ images: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.images = images
        for (index, node) in graph.nodes.enumerated() {
            if let layer = layers[index] {
                maps[index] = try layer.forward(map(node.inputs[0]), batch: batch, mode: mode)
            } else if let addition = additions[index] {
                let sum = summand(node.inputs[0], of: index, batch: batch)
                ck_shortcut_forward(map(node.inputs[1]).pointer, sum.pointer, addition.with(images: batch), threads)
                maps[index] = sum
            }
        }
        return map(graph.nodes.count - 1)
    }

    /// The first map of an addition, to be overwritten by the sum: a copy where others read it too.
    private func summand(_ node: Int, of addition: Int, batch: Int) -> Tensor {
        let first = map(node)
        // A batch norm does not look at its result again; another layer might.
        if node >= 0, consumers[node].count == 1, case .batchNorm = graph.nodes[node].operation { return first }
        let sum = room(&sums, addition, graph.shapes[addition])
        sum.pointer.update(from: first.pointer, count: batch * graph.shapes[addition].count)
        return sum
    }

    private func room(_ rooms: inout [Int: Tensor], _ node: Int, _ shape: FeatureShape) -> Tensor {
        if let room = rooms[node] { return room }
        let room = shape.tensor(batch: batch)
        rooms[node] = room
        return room
    }

    /// A summand of the gradient in a map.
    private struct Contribution {
        let gradient: Tensor
        /// `nil`: the gradient itself, in the map's shape.
        var through: ck_shortcut?
        /// Nobody reads the gradient's memory any more, so that others may be added to it.
        var isFree: Bool
    }

    package func backward(_ scoreGradient: Tensor, batch: Int) throws {
        var contributions = [[Contribution]](repeating: [], count: graph.nodes.count)
        contributions[graph.nodes.count - 1] = [Contribution(gradient: scoreGradient, isFree: false)]
        var toImages: [Contribution] = []
        for (index, node) in graph.nodes.enumerated().reversed() {
            let gradient = sum(contributions[index], of: index, batch: batch)
            func pass(_ contribution: Contribution, to input: Int) {
                if input >= 0 { contributions[input].append(contribution) } else { toImages.append(contribution) }
            }
            if let layer = layers[index] {
                pass(Contribution(gradient: try layer.backward(gradient, batch: batch), isFree: true), to: node.inputs[0])
            } else if let addition = additions[index] {
                pass(Contribution(gradient: gradient, isFree: false), to: node.inputs[0])
                pass(Contribution(gradient: gradient, through: addition, isFree: false), to: node.inputs[1])
            }
        }
        if wantsImageGradient { imageGradient = sum(toImages, of: -1, batch: batch) }
    }

    private func sum(_ contributions: [Contribution], of node: Int, batch: Int) -> Tensor {
        if contributions.count == 1, contributions[0].through == nil { return contributions[0].gradient }
        var rest = contributions
        let total: Tensor
        if let free = rest.firstIndex(where: { $0.isFree && $0.through == nil }) {
            total = rest.remove(at: free).gradient
        } else {
            total = room(&gradientSums, node, graph.shape(node))
            total.fill(0)
        }
        let identity = ck_shortcut(.identity, from: graph.shape(node), to: graph.shape(node))
        for each in rest {
            ck_shortcut_backward(each.gradient.pointer, total.pointer, (each.through ?? identity).with(images: batch), threads)
        }
        return total
    }
}

extension ck_shortcut {
    init(_ shortcut: NetworkGraph.Shortcut, from: FeatureShape, to: FeatureShape) {
        let stride = if case .subsampled(let stride) = shortcut { stride } else { 1 }
        self.init(
            images: 0, height: from.height, width: from.width, channels: from.channels, stride: stride,
            pad: (to.channels - from.channels) / 2)
    }

    func with(images: Int) -> ck_shortcut {
        var shape = self
        shape.images = images
        return shape
    }
}
