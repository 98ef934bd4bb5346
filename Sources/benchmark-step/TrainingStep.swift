// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Experiments
import Files
import Foundation
import Graph
import Statistics
import Training

/// What is timed: a network, one mini-batch of random images in memory, and the whole step of the `paper` recipe on it.
final class TrainingStep {
    /// Of the first line on standard output.
    struct Description: Codable {
        let network: String
        let batch, threads, parameters: Int
        let precision: String
        /// Of one image's forward pass, taps on the padding counted.
        let multiplyAdds: Int

        enum CodingKeys: String, CodingKey {
            case network, batch, threads, parameters, precision
            case multiplyAdds = "multiply_adds"
        }
    }

    let description: Description
    private let network: Network
    private let descent: CoarseGradientDescent
    private let loss: SoftmaxCrossEntropy
    private let images: Tensor
    private let labels: [Int32]
    private let recipe: Recipe
    private let shards: Shards
    /// Small ones, where ranks share the step.
    var messages: Int { ClusterCost.messages(network.graph) }

    /// - Parameters:
    ///   - side: rows and columns of the images.
    ///   - shards: of each mini-batch; one where nothing is said.
    init(_ recipe: Recipe, side: Int, channels: Int = 3, classes: Int, precision: Precision, threads: Int, shards: Shards? = nil) throws {
        try recipe.validate()
        let batch = recipe.batchSize
        let engine = try Engine(threads: threads),
            context = shards.map { ExecutionContext(engine: engine, shards: $0) } ?? ExecutionContext(engine: engine, batch: batch)
        let shape = FeatureShape(height: side, width: side, channels: channels)
        let network = try Network(try recipe.graph(input: shape, classes: classes), precision: precision, in: context)
        network.initialize(seed: 1)
        (self.network, self.recipe) = (network, recipe)
        descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        loss = SoftmaxCrossEntropy(classes: classes, in: context)
        var random = Philox(seed: 1, stream: 1)
        images = shape.tensor(batch: context.batch)
        for i in 0..<images.count { images.pointer[i] = Float(random.normal()) }
        labels = (0..<context.batch).map { Int32($0 % classes) }
        self.shards = context.shards
        description = Description(
            network: recipe.network, batch: batch, threads: threads,
            parameters: network.parameters.reduce(0) { $0 + $1.value.count }, precision: precision.rawValue,
            multiplyAdds: network.multiplyAdds)
        descent.project()
        _ = try network.forward(images, batch: batch, mode: .calibration)
    }

    /// Forward, loss, backward with the gradients in α, blend, SGD with momentum, projection.
    /// - Returns: the mean loss, in nats.
    func run() throws -> Double {
        let batch = recipe.batchSize
        let scores = try network.forward(images, batch: batch, mode: .training)
        let outcome = try shards.total(loss(scores, labels: labels, batch: batch), notFinite: nil, replaced: 0).outcome
        try network.backward(loss.gradient, batch: batch)
        descent.step(learningRate: recipe.learningRate)
        return outcome.lossSum / Double(batch)
    }

    /// Checksums of all weights, momenta, and running statistics.
    var digest: String {
        "weights \(checksum(of: network.parameters.map(\.value))) momenta \(checksum(of: network.parameters.map(\.momentum))) statistics "
            + "\(checksum(of: network.statistics.map(\.tensor)))"
    }
}
