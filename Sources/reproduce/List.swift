// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Compute
import Foundation
import Networks
import Reporting
import Training

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cells of all tables and figures, what they cost on this machine, and what is reported.",
        discussion: "The cost is measured: a few steps of each network on this machine, times the steps of the schedule.")

    @OptionGroup var experiment: ExperimentOptions

    @Option(help: "Threads that compute (default: all processors).")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256, not \(threads)") }
    }

    func run() throws {
        let (cells, reported) = (try experiment.cells(), try experiment.reported())
        let tables = try ResultFiles.tables.map(experiment.table)
        var costs: [StepCost] = []
        let rows = try cells.cells.map { cell in
            let cost = try costs.first { $0.recipe.network == cell.recipe.network && $0.recipe.activationBits == cell.recipe.activationBits }
                ?? StepCost(measuring: cell.recipe, threads: threads)
            costs.append(cost)
            let shown = RunCell(cell, dataset: "CIFAR-10", runProtocol: cells.runProtocol)
            return [
                cell.name, shown.network, shown.bits, shown.method, tables.filter { $0.cells.contains(cell.name) }.map(\.name).joined(separator: ", "),
                "\(cell.recipe.epochs)", duration(cost.seconds(epochs: cell.recipe.epochs, recipe: cell.recipe)),
                reported[shown.reportedID].map { "\($0.value) \($0.unit) (\($0.source))" } ?? ReportedValue.notAvailable,
            ]
        }
        print("protocol \(cells.runProtocol.rawValue), CIFAR-10, \(threads) threads; a quantized cell needs its network's float cell first\n")
        print(markdownTable(header: ["Cell", "Network", "Bits", "Method", "Shown in", "Epochs", "Estimated time", "Reported"], rows: rows))
    }

    private func duration(_ seconds: Double) -> String {
        seconds < 5400 ? String(format: "%.0f min", (seconds / 60).rounded(.up)) : String(format: "%.1f h", seconds / 3600)
    }
}

/// Seconds of a training step on 32×32×3 images, measured.
struct StepCost {
    let recipe: Recipe
    private let step: Double
    private static let trainImages = 50_000, testImages = 10_000

    init(measuring recipe: Recipe, threads: Int) throws {
        guard let architecture = Architecture(name: recipe.network) else { throw RecipeError("unknown network \(recipe.network)") }
        self.recipe = recipe
        let workshop = Workshop(engine: try Engine(threads: threads), batch: recipe.batchSize)
        let shape = FeatureShape(height: 32, width: 32, channels: 3)
        let network = try architecture.network(input: shape, classes: 10, activation: try recipe.activation(), in: workshop)
        network.initialize(seed: 1)
        let images = shape.tensor(batch: recipe.batchSize)
        var times: [Double] = []
        for _ in 0..<4 {
            let start = ContinuousClock.now
            let scores = try network.forward(images, batch: recipe.batchSize, mode: .training)
            try network.backward(scores, batch: recipe.batchSize)
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        step = times.dropFirst().min() ?? 0  // the first call plans
    }

    /// An evaluation pass costs about a third of a training pass: one product in three.
    func seconds(epochs: Int, recipe: Recipe) -> Double {
        let images = Double(Self.trainImages) + Double(Self.testImages) / 3
        return Double(epochs) * images / Double(recipe.batchSize) * step
    }
}
