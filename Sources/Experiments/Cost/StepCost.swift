// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Foundation
import Graph
import Training

/// Seconds of a training step of a data set's images, measured.
public struct StepCost {
    private let recipe: Recipe
    private let images: PlannedImages
    public let secondsAnImage: Double
    /// Of the gradient; and small messages of a step where ranks share it.
    private let numbers, messages: Int

    /// - Throws: `MemoryError` when the batches would not fit into memory.
    public init(measuring recipe: Recipe, on images: PlannedImages, precision: Precision, threads: Int) throws {
        (self.recipe, self.images) = (recipe, images)
        guard let side = recipe.imageSize ?? images.side else {
            throw RecipeError("the images of \(images.dataset) have many sizes: the recipe needs image_size")
        }
        let shape = FeatureShape(height: side, width: side, channels: images.channels)
        let graph = try recipe.graph(input: shape, classes: images.classes)
        numbers = graph.parameters.reduce(0) { $0 + $1.count }
        messages = ClusterCost.messages(graph)
        let memory = try NetworkMemory(
            graph, name: recipe.network, precision: precision, relaxesWeights: recipe.relaxesWeights, threads: threads)
        try memory.expectRoom(
            batch: recipe.batchSize, besides: 2 * (BatchLoader.depth + 2) * 4 * shape.count, for: recipe.network)
        let batch = recipe.imageSize == nil ? recipe.batchSize : min(recipe.batchSize, 32)
        let context = ExecutionContext(engine: try Engine(threads: threads), batch: batch)
        let network = try Network(graph, precision: precision, relaxesWeights: recipe.relaxesWeights, in: context)
        network.initialize(seed: 1)
        for parameter in network.parameters where parameter.kind == .stepSize { parameter.value.fill(1) }
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        let tensor = shape.tensor(batch: batch)
        var times: [Double] = []
        for _ in 0..<(recipe.imageSize == nil ? 4 : 3) {
            let start = ContinuousClock.now
            let scores = try network.forward(tensor, batch: batch, mode: .training)
            try network.backward(scores, batch: batch)
            descent.step(learningRate: 1e-6)
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        secondsAnImage = (times.dropFirst().min() ?? 0) / Double(batch)  // the first call plans
    }

    /// Whether a step of the other recipe takes the same passes; how many bits quantized weights have hardly matters.
    public func stands(for other: Recipe) -> Bool {
        func passes(_ recipe: Recipe) -> [AnyHashable] {
            [
                recipe.network, recipe.activationBits, recipe.weightBits == 32, recipe.method == .binaryRelax, recipe.quantizedLayers,
                recipe.layerBits, recipe.batchSize, recipe.imageSize
            ]
        }
        return passes(recipe) == passes(other)
    }

    /// The same where nodes share each mini-batch.
    public func seconds(epochs: Int, on cluster: ClusterCost) -> Double {
        let steps = Double((images.train + recipe.batchSize - 1) / recipe.batchSize), compute = secondsAnImage * Double(recipe.batchSize)
        let test = Double(images.test) / 3 * secondsAnImage / Double(cluster.nodes)
        return Double(epochs) * (steps * cluster.secondsAStep(compute: compute, numbers: numbers, messages: messages) + test)
    }

    /// An evaluation pass costs about a third of a training pass: one product in three.
    public func seconds(epochs: Int) -> Double { Double(epochs) * (Double(images.train) + Double(images.test) / 3) * secondsAnImage }
}

/// Such as `20 s`, `12 min`, `3.4 h` or `5.6 days`.
public func timeInWords(_ seconds: Double) -> String {
    if seconds < 90 { return String(format: "%.0f s", seconds.rounded(.up)) }
    if seconds > 2 * 86400 { return String(format: "%.1f days", seconds / 86400) }
    return seconds < 5400 ? String(format: "%.0f min", (seconds / 60).rounded(.up)) : String(format: "%.1f h", seconds / 3600)
}
