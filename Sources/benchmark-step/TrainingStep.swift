// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Experiments
import Files
import Foundation
import Graph
import Statistics
import Training

/// What is timed: a network, one mini-batch of random images in memory, and the whole step of its recipe on it, in the first epoch.
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
    private var steps = 0
    /// Small ones, where ranks share the step.
    var messages: Int { ClusterCost.messages(network.graph) }

    /// - Parameters:
    ///   - side: rows and columns of the images.
    ///   - shards: of each mini-batch; one where nothing is said.
    init(_ recipe: Recipe, side: Int, channels: Int = 3, classes: Int, precision: Precision, threads: Int, shards: Shards? = nil) throws {
        try recipe.validate()
        guard recipe.accumulation == 1 else {
            throw RecipeError(
                "accumulation: \(recipe.accumulation) takes a step after several mini-batches, and a step of one is what runs here: leave "
                    + "it out", key: Recipe.Key.accumulation.rawValue)
        }
        let batch = recipe.batchSize
        let engine = try Engine(threads: threads),
            context = shards.map { ExecutionContext(engine: engine, shards: $0) } ?? ExecutionContext(engine: engine, batch: batch)
        let shape = FeatureShape(height: side, width: side, channels: channels)
        let network = try Network(
            try recipe.graph(input: shape, classes: classes), precision: precision, relaxesWeights: recipe.relaxesWeights,
            keepsSecondMoments: recipe.optimizer == .adam, in: context)
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
        descent.start(epoch: 0)
        _ = try network.forward(images, batch: batch, mode: .calibration)
    }

    /// Forward, loss, backward with the gradients in α, blend, SGD with momentum, projection.
    /// - Returns: the mean loss, in nats.
    func run() throws -> Double {
        let batch = recipe.batchSize
        steps += 1
        descent.prepareStep()
        let scores = try network.forward(images, batch: batch, mode: .training)
        let own = loss(scores, labels: labels, batch: batch, smoothing: recipe.labelSmoothing)
        let outcome = try shards.total(own, notFinite: nil, replaced: 0).outcome
        try network.backward(loss.gradient, batch: batch)
        descent.step(learningRate: recipe.learningRate, number: steps)
        return outcome.lossSum / Double(batch)
    }

    /// Checksums of all weights, momenta, and running statistics.
    var digest: String {
        "weights \(checksum(of: network.parameters.map(\.value))) momenta \(checksum(of: network.parameters.map(\.momentum))) statistics "
            + "\(checksum(of: network.statistics.map(\.tensor)))"
    }
}
