// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization

/// The network of the vectors `network_gradients`, `network_alpha_init`, `bcgd_*`: stem 3→4, block 4→4, block 4→8 with
/// stride 2, mean pool, linear 8→5; 1W4A. Images are 5×5×3.
func tinyNetwork(batch: Int, threads: Int = 1) throws -> Network {
    let graph = try NetworkGraph(FeatureShape(height: 5, width: 5, channels: 3)) {
        $0.conv("stem.conv", 4, kernel: 3).norm("stem.bn").act("stem.act")
            .basicBlock("block1", 4, stride: 1, isProjected: false).basicBlock("block2", 8, stride: 2, isProjected: false)
            .meanPool().linear("linear", 5)
    }
    return try Network(
        graph.quantized(.quantized(try QuantizedReLU(bits: 4)), WeightQuantization(try WeightProjection(bits: 1))),
        in: try context(batch: batch, threads: threads))
}

/// Our name of a tensor as the vectors spell it.
func vectorName(_ name: String) -> String {
    if name.hasSuffix(".resolution") {
        return name.replacing(".resolution", with: "").replacing("stem.act", with: "stem.alpha").replacing(".act", with: ".alpha")
    }
    guard name.contains(".bn") else { return name }
    return name.replacing(".weight", with: ".gamma").replacing(".bias", with: ".beta")
}

/// Takes all parameters and running statistics from the vectors, and projects the weights.
func load(_ vector: Vector, into network: Network) throws {
    for parameter in network.parameters { parameter.value.set(try vector.floats(vectorName(parameter.name))) }
    for statistic in network.statistics { statistic.tensor.set(try vector.floats(vectorName(statistic.name))) }
    network.tensors.project(threads: 1)
}

/// A few layers in f32 with the gradient in their input.
struct Layers {
    let reference: Reference
    let tensors: Parameters
    let output: FeatureShape

    init(_ input: FeatureShape, activation: ActivationFunction = .relu, batch: Int, threads: Int = 1, _ body: (Map) -> Map) throws {
        let graph = try NetworkGraph(input, body).quantized(activation, nil)
        (tensors, output) = (Parameters(graph), graph.shapes[graph.nodes.count - 1])
        reference = try Reference(graph, tensors, wantsImageGradient: true, in: try context(batch: batch, threads: threads))
    }

    func forward(_ x: Tensor, mode: Mode = .training) throws -> Tensor { try reference.forward(x, batch: x.shape[0], mode: mode) }

    /// The gradient in the input.
    func backward(_ dy: Tensor) throws -> [Float] {
        try reference.backward(dy, batch: dy.shape[0])
        return reference.imageGradient?.values ?? []
    }
}
