// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import CAllocations
import Compute
import Graph
import Quantization
import Statistics
import TestSupport
import Testing

/// Networks that nobody of the suite has, in low precision: like f32, or refused.
@Suite struct UnusualNetworkTests {
    private func quantized(_ input: FeatureShape, _ body: (Map) -> Map) throws -> NetworkGraph {
        try NetworkGraph(input, body).quantized(
            .quantized(try QuantizedReLU(bits: 4)), WeightQuantization(try WeightProjection(bits: 1)))
    }

    /// A network with weights and images from a seed.
    private func network(_ graph: NetworkGraph, _ precision: Precision, batch: Int) throws -> (Network, Tensor) {
        let network = try Network(graph, precision: precision, in: context(batch: batch, threads: 2))
        network.initialize(seed: 4)
        network.tensors.project(threads: 1)
        let images = graph.input.tensor(batch: batch)
        var random = Philox(seed: 4, stream: 0)
        images.set((0..<images.count).map { _ in Float(random.normal()) })
        return (network, images)
    }

    /// A first convolution with a column of its kernel that never meets the image: oneDNN's gradient in bf16 left that one as it was in
    /// its memory.
    @Test(arguments: [Precision.mixed, .s16])
    func tapsBesideTheImageHaveNoGradient(_ precision: Precision) throws {
        let graph = try quantized(FeatureShape(height: 6, width: 2, channels: 3)) {
            $0.conv("conv", 32, kernel: 5, stride: 3, padding: 2).norm("bn").act("act").meanPool().linear("fc", 4)
        }
        allocations_guard(64)  // memory that holds huge numbers at first
        defer { allocations_guard(0) }
        let batch = 16,
            gradients = try [Precision.f32, precision].map { precision in
                let (network, images) = try network(graph, precision, batch: batch)
                _ = try network.forward(images, batch: batch, mode: .calibration)
                let scores = try network.forward(images, batch: batch, mode: .training), dy = Tensor(scores.shape)
                dy.set((0..<dy.count).map { Float($0 % 5) - 2 })
                try network.backward(dy, batch: batch)
                return try #require(network.parameters.first { $0.name == "conv.weight" }).gradient.values
            }
        let scale = gradients[0].map(\.magnitude).max() ?? 0
        // bf16 rounds by 2⁻⁸; a level next to a border may differ by one.
        #expect(scale > 0 && zip(gradients[0], gradients[1]).allSatisfy { abs($0 - $1) < 0.1 * scale })
        // Column 0 stands at −2, column 4 at 2 of 2 columns.
        let beside = gradients[1].indices.filter { [0, 1, 4].contains($0 % 5) }
        #expect(beside.allSatisfy { gradients[1][$0] == 0 && gradients[0][$0] == 0 })
    }

    /// Where no pre-activation is above 0 there is nothing to calibrate by: α stays, in every precision.
    @Test(arguments: Precision.allCases) func aStepSizeWithoutPositiveInputsStays(_ precision: Precision) throws {
        let graph = try quantized(FeatureShape(height: 8, width: 8, channels: 3)) {
            $0.conv("conv", 16, kernel: 3).norm("bn").act("act").meanPool().linear("fc", 4)
        }
        let (network, images) = try network(graph, precision, batch: 2)
        network.tensors["bn.weight"].value.fill(0)
        network.tensors["bn.bias"].value.fill(-1)
        network.tensors["act.resolution"].value.fill(0.25)
        _ = try network.forward(images, batch: 2, mode: .calibration)
        #expect(network.tensors["act.resolution"].value.values == [0.25])
    }

    /// Maxima in low precision compare bits without their signs.
    @Test func aMaximumReadsWhatAnActivationMade() throws {
        func graph(_ first: (Map) -> Map) throws -> NetworkGraph {
            try quantized(FeatureShape(height: 8, width: 8, channels: 3)) {
                first($0.conv("a", 16, kernel: 3).norm("b")).maxPool(2).conv("c", 16, kernel: 3).norm("d").act("e").meanPool()
                    .linear("fc", 4)
            }
        }
        _ = try LowPrecisionPlan(graph { $0.act("f") }, relaxesWeights: false)
        #expect { try LowPrecisionPlan(graph { $0 }, relaxesWeights: false) } throws: {
            "\($0)".contains("in low precision a maximum reads a map that an activation made")
        }
    }

    /// Sums of exact integers are f32, and a subsampled shortcut may read them.
    @Test(arguments: [Precision.mixed, .s16])
    func aSubsampledShortcutOfSums(_ precision: Precision) throws {
        let graph = try quantized(FeatureShape(height: 8, width: 8, channels: 3)) {
            let x = $0.conv("a", 16, kernel: 3).norm("b").act("c"), sums = x.conv("d", 16, kernel: 1).norm("e")
            return x.conv("f", 32, kernel: 3, stride: 2).norm("g").add(sums, .subsampled(stride: 2)).act("h").meanPool().linear("fc", 4)
        }
        let scores = try [Precision.f32, precision].map { precision in
            let (network, images) = try network(graph, precision, batch: 8)
            _ = try network.forward(images, batch: 8, mode: .calibration)
            return try network.forward(images, batch: 8, mode: .evaluation).values
        }
        let size = scores[0].map(\.magnitude).max() ?? 0
        // A wrong shortcut moves them by half their size; a level that rounds to the other side moves a mean of 16 by 1/240 of the range.
        #expect(size > 0 && zip(scores[0], scores[1]).allSatisfy { abs($0 - $1) < 0.05 * size }, "\(scores)")
    }
}
