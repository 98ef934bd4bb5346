// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Compute
import Datasets
import Foundation
import Networks
import Reporting
import Training

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cells of all tables and figures, what they cost on this machine, and what is reported.",
        discussion: "The cost is measured: a few steps of each network on this machine, times the steps of the schedule.")

    @OptionGroup var experiment: ExperimentOptions

    @Flag(help: "The cells of ImageNet (table 3), not those of CIFAR-10.")
    var imagenet = false

    @OptionGroup var computing: ThreadOptions

    func run() throws {
        let subject: Subject = imagenet ? .imageNet : .smallImages, dataset = imagenet ? "ImageNet" : "CIFAR-10"
        let (cells, reported) = (try experiment.cells(subject), try experiment.reported())
        let tables = try subject.tables.map { try experiment.table($0, subject) }
        var costs: [StepCost] = []
        let rows = try cells.cells.map { cell in
            let cost = try costs.first { $0.recipe.network == cell.recipe.network && $0.recipe.activationBits == cell.recipe.activationBits }
                ?? StepCost(measuring: cell.recipe, precision: .f32, threads: computing.threads)
            costs.append(cost)
            let shown = RunCell(cell, dataset: dataset, runProtocol: cells.runProtocol)
            return [
                cell.name, shown.network, shown.bits, shown.method, tables.filter { $0.cells.contains(cell.name) }.map(\.name).joined(separator: ", "),
                "\(cell.recipe.epochs)", timeInWords(cost.seconds(epochs: cell.recipe.epochs, recipe: cell.recipe)),
                reported[shown.reportedID].map { "\($0.value) \($0.unit) (\($0.source))" } ?? ReportedValue.notAvailable,
            ]
        }
        print("protocol \(cells.runProtocol.rawValue), \(dataset), \(computing.threads) threads, f32; a quantized cell needs its network's float cell first\n")
        print(markdownTable(header: ["Cell", "Network", "Bits", "Method", "Shown in", "Epochs", "Estimated time", "Reported"], rows: rows))
    }
}

/// Such as `12 min`, `3.4 h` or `5.6 days`.
func timeInWords(_ seconds: Double) -> String {
    if seconds > 2 * 86400 { return String(format: "%.1f days", seconds / 86400) }
    return seconds < 5400 ? String(format: "%.0f min", (seconds / 60).rounded(.up)) : String(format: "%.1f h", seconds / 3600)
}

/// Seconds of a training step of CIFAR-10's images, or of ImageNet's, measured.
struct StepCost {
    let recipe: Recipe
    let secondsAnImage: Double
    private static let cifar10 = (train: 50_000, test: 10_000)

    init(measuring recipe: Recipe, precision: Precision, threads: Int) throws {
        guard let architecture = Architecture(name: recipe.network) else { throw RecipeError("unknown network \(recipe.network)") }
        self.recipe = recipe
        let batch = recipe.imageSize == nil ? recipe.batchSize : min(recipe.batchSize, 32)
        let workshop = Workshop(engine: try Engine(threads: threads), batch: batch)
        let side = recipe.imageSize ?? 32
        let shape = FeatureShape(height: side, width: side, channels: 3)
        let network = try architecture.network(
            input: shape, classes: recipe.imageSize == nil ? 10 : 1000, activation: try recipe.activation(), weights: try recipe.passProjection(),
            precision: precision, in: workshop)
        network.initialize(seed: 1)
        for parameter in network.parameters where parameter.kind == .resolution { parameter.value.fill(1) }
        let descent = try CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        let images = shape.tensor(batch: batch)
        var times: [Double] = []
        for _ in 0..<(recipe.imageSize == nil ? 4 : 3) {
            let start = ContinuousClock.now
            let scores = try network.forward(images, batch: batch, mode: .training)
            try network.backward(scores, batch: batch)
            descent.step(rate: 1e-6)
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        secondsAnImage = (times.dropFirst().min() ?? 0) / Double(batch)  // the first call plans
    }

    /// An evaluation pass costs about a third of a training pass: one product in three.
    func seconds(epochs: Int, recipe: Recipe) -> Double {
        let counts = recipe.imageSize == nil ? Self.cifar10 : (train: ImageNet.trainImages, test: ImageNet.testImages)
        return Double(epochs) * (Double(counts.train) + Double(counts.test) / 3) * secondsAnImage
    }
}
