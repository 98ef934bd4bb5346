// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import Testing
import Training

/// Five steps of BCGD on the tiny 1W4A network against PyTorch: the blend, momentum, decay, projection and the step in α.
@Suite struct TrajectoryTests {
    @Test(arguments: ["bcgd_paper", "bcgd_strong"])
    func bcgd(_ name: String) throws {
        let vector = try Vector(name)
        let shape = try vector.shape("x")
        let (steps, batch) = (shape[0], shape[1])
        let network = try tinyNetwork(batch: batch)
        try load(vector, into: network)
        let descent = CoarseGradientDescent(network, recipe: try recipe(vector), threads: 1)
        descent.project()
        let images = Tensor(Array(shape.dropFirst()))
        let (x, labels) = (try vector.floats("x"), try vector.file.values(Int64.self, named: "labels").map(Int32.init))
        let loss = SoftmaxCrossEntropy(classes: 5, in: try context(batch: batch))
        var losses: [Float] = []
        for step in 0..<steps {
            images.set(Array(x[step * images.count..<(step + 1) * images.count]))
            let scores = try network.forward(images, batch: batch, mode: .training)
            let outcome = loss(scores, labels: Array(labels[step * batch..<(step + 1) * batch]), batch: batch)
            losses.append(Float(outcome.lossSum / Double(batch)))
            try network.backward(loss.gradient, batch: batch)
            descent.step(learningRate: try vector.number("learning_rate"))
        }
        // 3e-6: ten times PyTorch's own f32 error; the script's author measured that a blend after the step, a decay of the
        // unblended weights, on α or on nothing, ε = 1e-4, or a gradient 1.0001 times too large all exceed it in bcgd_strong.
        let tolerance: Float = 3e-6
        #expect(try vector.deviation(losses, from: "loss") <= tolerance)
        for parameter in network.parameters {
            let deviation = try vector.deviation(parameter.value.values, from: "final." + vectorName(parameter.name))
            #expect(deviation <= tolerance, "\(parameter.name)")
        }
        for weight in network.weights {
            #expect(try vector.deviation(weight.effective.values, from: "final.quantized." + weight.name) <= tolerance)
        }
        for statistic in network.statistics {
            #expect(try vector.deviation(statistic.tensor.values, from: "final." + vectorName(statistic.name)) <= tolerance)
        }
    }

    private func recipe(_ vector: Vector) throws -> Recipe {
        let text = """
            {
            "network": "resnet8",
            "method": "bcgd",
            "weight_bits": 1,
            "activation_bits": 4,
            "quantized_layers": "all",
            "blending": \(try vector.number("blend")),
            "input_derivative": "clipped-relu",
            "resolution_derivative": "three-valued",
            "batch_size": 3,
            "epochs": 1,
            "rate": 0.05,
            "rate_divisor": 10,
            "milestones": [],
            "resolution_rate_factor": \(try vector.number("alpha_rate_factor")),
            "resolution_minimum": 0.001,
            "momentum": \(try vector.number("momentum")),
            "weight_decay": \(try vector.number("weight_decay")),
            "crop_padding": 0,
            "flip": false
            }
            """
        return try JSONDecoder().decode(Recipe.self, from: Data(text.utf8))
    }
}
