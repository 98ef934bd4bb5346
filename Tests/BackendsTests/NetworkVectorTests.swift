// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Testing

/// A whole 1W4A residual network against PyTorch.
@Suite struct NetworkVectorTests {
    @Test func gradients() throws {
        let vector = try Vector("network_gradients")
        let images = try vector.map("x")
        let batch = images.shape[0]
        let network = try tinyNetwork(batch: batch)
        try load(vector, into: network)
        for weight in network.weights {
            #expect(try vector.deviation(weight.effective.values, from: "quantized." + weight.name) <= 1e-6)
        }
        let labels = try vector.file.values(Int64.self, named: "labels").map(Int32.init)
        let scores = try network.forward(images, batch: batch, mode: .training)
        #expect(try vector.deviation(scores.values, from: "logits") <= vector.tolerance())
        let loss = SoftmaxCrossEntropy(classes: 5, in: try context(batch: batch))
        let outcome = loss(scores, labels: labels, batch: batch)
        #expect(try vector.deviation([Float(outcome.lossSum / Double(batch))], from: "loss") <= vector.tolerance())
        try network.backward(loss.gradient, batch: batch)
        for parameter in network.parameters {
            let deviation = try vector.deviation(parameter.gradient.values, from: "grad." + vectorName(parameter.name))
            #expect(deviation <= (try vector.tolerance()), "\(parameter.name)")
        }
        for statistic in network.statistics {
            let deviation = try vector.deviation(statistic.tensor.values, from: "after." + vectorName(statistic.name))
            #expect(deviation <= (try vector.tolerance()), "\(statistic.name)")
        }
    }

    /// METHOD.md part 2: α from one batch, layer after layer, the earlier layers already quantized.
    @Test func calibration() throws {
        let vector = try Vector("network_alpha_init")
        let images = try vector.map("x")
        let network = try tinyNetwork(batch: images.shape[0])
        for parameter in network.parameters where parameter.kind != .stepSize {
            parameter.value.set(try vector.floats(vectorName(parameter.name)))
        }
        try load(vector, into: network)
        let before = network.statistics.map(\.tensor.values)
        _ = try network.forward(images, batch: images.shape[0], mode: .calibration)
        for parameter in network.parameters where parameter.kind == .stepSize {
            let deviation = try vector.deviation(parameter.value.values, from: "fitted." + vectorName(parameter.name))
            #expect(deviation <= (try vector.tolerance()), "\(parameter.name)")
        }
        #expect(network.statistics.map(\.tensor.values) == before)
    }

    /// A smaller batch uses the leading images of the planned memory, and gives what a network planned for it gives.
    @Test func partialBatch() throws {
        let vector = try Vector("network_gradients")
        let images = try vector.map("x")
        func gradients(planned: Int) throws -> [[Float]] {
            let network = try tinyNetwork(batch: planned)
            try load(vector, into: network)
            let scores = try network.forward(images, batch: 2, mode: .training)
            let loss = SoftmaxCrossEntropy(classes: 5, in: try context(batch: planned))
            _ = loss(scores, labels: [1, 4], batch: 2)
            try network.backward(loss.gradient, batch: 2)
            return network.parameters.map(\.gradient.values)
        }
        let same = try gradients(planned: 2) == gradients(planned: 7)
        #expect(same)
    }
}
