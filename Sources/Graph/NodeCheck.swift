// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether a node fits the maps that it reads, and the shape of its own. Graphs also come from files: nothing here may trap.
struct NodeCheck {
    let graph: NetworkGraph
    let node: NetworkGraph.Node

    /// No tensor, and not all maps of an image together, have more numbers.
    private static let most = 1 << 31

    /// - Throws: `GraphError`.
    func output() throws -> FeatureShape {
        try need(node.inputs.allSatisfy { (-1..<graph.nodes.count).contains($0) }, "reads earlier nodes, not \(node.inputs)")
        if case .add = node.operation {
            try need(node.inputs.count == 2, "adds two maps, not \(node.inputs.count)")
        } else {
            try need(node.inputs.count == 1, "reads one map, not \(node.inputs.count)")
        }
        if hasTensors {
            try need(!node.name.isEmpty && !graph.nodes.contains { $0.name == node.name }, "has tensors, so it needs a name of its own")
        }
        let input = graph.shape(node.inputs[0])
        try need(
            [input.height, input.width, input.channels].allSatisfy { (1...65_536).contains($0) } && fits(input.count),
            "reads a map of a size that is none")
        let output = try shape(input)
        try need(fits(output.count + graph.shapes.reduce(0) { $0 + $1.count }), "makes all maps together \(Self.most) numbers at most")
        return output
    }

    private var hasTensors: Bool {
        switch node.operation {
        case .convolution, .batchNorm, .linear: true
        case .activation(let function): function != .relu
        case .add, .maxPool, .meanPool: false
        }
    }

    private func shape(_ input: FeatureShape) throws -> FeatureShape {
        switch node.operation {
        case .convolution(let channels, let kernel, let stride, let padding, _, _):
            try need((1...65_536).contains(channels), "has 1 to 65536 channels, not \(channels)")
            let output = try window(input, kernel, stride, padding, channels)
            try need(fits(channels * input.channels, kernel * kernel), "has \(Self.most) weights at most")
            return output
        case .batchNorm, .activation: return input
        case .add(let shortcut):
            try expectShortcut(shortcut, from: graph.shape(node.inputs[1]), to: input)
            return input
        case .maxPool(let size, let stride, let padding):
            try need(
                (1...15).contains(size) && (0...size / 2).contains(padding),
                "has a window of 1 to 15 pixels and at most half of it as padding")
            return try window(input, size, stride, padding, input.channels)
        case .meanPool: return FeatureShape(height: 1, width: 1, channels: input.channels)
        case .linear(let outputs, _):
            try need(
                (1...65_536).contains(outputs) && fits(outputs, input.count), "has 1 to 65536 outputs and \(Self.most) weights at most")
            return FeatureShape(height: 1, width: 1, channels: outputs)
        }
    }

    private func window(_ input: FeatureShape, _ kernel: Int, _ stride: Int, _ padding: Int, _ channels: Int) throws -> FeatureShape {
        try need(
            (1...255).contains(kernel) && (1...255).contains(stride) && (0..<kernel).contains(padding),
            "has a kernel and a stride of 1 to 255 and a padding below the kernel")
        let (height, width) = (input.height + 2 * padding, input.width + 2 * padding)
        try need(
            min(height, width) >= kernel,
            "reads a map of \(max(1, kernel - 2 * padding)) pixels a side or more, not \(input.height)×\(input.width)")
        return input.windowed(kernel: kernel, stride: stride, padding: padding, channels: channels)
    }

    private func expectShortcut(_ shortcut: NetworkGraph.Shortcut, from: FeatureShape, to: FeatureShape) throws {
        switch shortcut {
        case .identity: try need(from == to, "adds maps of one shape, not \(from) to \(to)")
        case .subsampled(let stride):
            try need((1...255).contains(stride), "subsamples by 1 to 255, not \(stride)")
            let small = FeatureShape(height: (from.height - 1) / stride + 1, width: (from.width - 1) / stride + 1, channels: to.channels)
            try need(
                small == to && from.channels <= to.channels && (to.channels - from.channels) % 2 == 0,
                "cannot bring \(from) to \(to) by every \(stride)th pixel and an even number of channels more")
        }
    }

    private func fits(_ factors: Int...) -> Bool { factors.reduce(1.0) { $0 * Double($1) } <= Double(Self.most) }

    private func need(_ condition: Bool, _ rule: @autoclosure () -> String) throws {
        if !condition { throw GraphError("node \(graph.nodes.count)\(node.name.isEmpty ? "" : " (\(node.name))") \(rule())") }
    }
}
