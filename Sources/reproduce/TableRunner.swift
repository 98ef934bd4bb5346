// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Networks
import Reporting
import Training

/// A cell with a seed: the run, and the float run that it starts from.
struct PlannedRun {
    let cell: RunCell
    let description: RunDescription
    let float: RunDescription?
    let recipeName, recipeDigest: String
    /// Short, for the progress bar.
    let label: String

    init(_ cell: ExperimentCell, seed: UInt64, cells: ExperimentCells, dataset: String, precision: Precision) throws {
        float = cell.isFloat
            ? nil
            : try PlannedRun(cells.warmStart(of: cell), seed: seed, cells: cells, dataset: dataset, precision: precision).description
        self.cell = RunCell(cell, dataset: dataset, runProtocol: cells.runProtocol)
        (recipeName, recipeDigest) = (cell.recipeName, try cells.recipeDigest(of: cell, startingIn: float?.precision ?? .f32))
        label = "\(cell.name) seed \(seed)"
        description = RunDescription(
            name: self.cell.runName(seed: seed, precision: precision.rawValue), dataset: dataset, recipe: cell.recipe, seed: seed,
            warmStart: float, precision: precision)
    }
}

extension RunCell {
    init(_ cell: ExperimentCell, dataset: String, runProtocol: RunProtocol) {
        let recipe = cell.recipe
        let (hasWeights, hasActivations) = (recipe.weightBits < 32, recipe.activationBits < 32)
        self.init(
            name: cell.name, dataset: dataset, network: recipe.network, weightBits: recipe.weightBits,
            activationBits: recipe.activationBits, method: recipe.method.rawValue,
            quantizedLayers: hasWeights ? recipe.quantizedLayers.rawValue : "",
            // By way of text: 1e-5 in Float is not 1e-5 in Double.
            blending: hasWeights ? Double("\(recipe.effectiveBlending)") : nil,
            inputDerivative: hasActivations ? recipe.inputDerivative.rawValue : "",
            resolutionDerivative: hasActivations ? recipe.resolutionDerivative.rawValue : "", protocolName: runProtocol.rawValue)
    }
}

/// Runs cells one after the other and keeps the folder's tables and figures up to date after each.
struct TableRunner {
    let cells: ExperimentCells
    let dataset: ImageDataset
    let threads: Int
    /// For the cells that have integer passes; the others run in f32.
    let precision: Precision
    let reported: ReportedValues
    let output: OutputFolder
    /// The folder with the recipes.
    let experiments: String
    let stop: StopRequest

    /// - Parameter resume: without it, anything that the folder already holds of these runs is an error.
    func run(_ selected: [ExperimentCell], seeds: [UInt64], resume: Bool) throws {
        let runs = try seeds.flatMap { seed in
            try selected.map { try PlannedRun($0, seed: seed, cells: cells, dataset: dataset.name, precision: precision) }
        }
        let rows = try output.rows()
        let finished = try runs.map { try finishedRow($0, in: rows) }
        for (run, row) in zip(runs, finished) where !resume && (row != nil || output.hasCheckpoint(run.description)) {
            throw FileError(
                "\(output.path) already holds \(run.description.name): add --resume to keep it and go on, or choose another --out")
        }
        // A float run without its checkpoint cannot be started from, so it is trained again where another run needs it.
        let startedFrom = zip(runs, finished).filter { $1 == nil }.compactMap(\.0.float)
        for (run, row) in zip(runs, finished) where !stop.isMade {
            if let row, !startedFrom.contains(run.description) || output.hasCheckpoint(run.description) {
                note("\(run.description.name): finished before, \(String(format: "%.2f", row.top1Final)) %")
            } else {
                try train(run)
            }
        }
        try writeTables()
    }

    /// The row of this run among those of the folder.
    /// - Throws: `RecipeError` when it was computed with another recipe.
    private func finishedRow(_ run: PlannedRun, in rows: [RunRow]) throws -> RunRow? {
        let row = rows.first { $0.name == run.description.name && $0.provenance.dataOrigin == origin }
        guard let row, row.provenance.recipeDigest != run.recipeDigest else { return row }
        throw RecipeError(
            "\(output.runs) holds \(row.name) with recipe \(row.provenance.recipeDigest), now it is \(run.recipeDigest): "
                + "use another --out, or delete the row")
    }

    private func train(_ run: PlannedRun) throws {
        let (name, path) = (run.description.name, output.checkpoint(run.description.name))
        let trainer = try Trainer(run.description, dataset: dataset, threads: threads)
        if output.hasCheckpoint(run.description) {
            try trainer.restore(try Checkpoint(path: path))
            note("\(name): going on from epoch \(trainer.state.epoch + 1), batch \(trainer.state.batch + 1)")
        } else if let float = run.float {
            try trainer.warmStart(from: try Checkpoint(path: output.checkpoint(float.name)), of: float)
            note("\(name): from the weights of \(float.name)")
        } else {
            note("\(name): from the start")
        }
        var observer = RunObserver(run: run.description, label: run.label, images: dataset.train.count, output: output)
        defer { observer.close() }
        let before = trainer.state.seconds
        try trainer.train(checkpoint: path, stop: stop, observer: &observer)
        observer.close()
        let seconds = trainer.state.seconds - before
        note(
            String(
                format: "\(name): %.0f s of training, of which %.1f s waiting for images; peak memory %.0f MB", seconds,
                trainer.waitSeconds, SystemFacts.peakMegabytes))
        guard trainer.isFinished, let last = trainer.state.curve.last else { return }
        try ImageOutcomes(try trainer.finalCorrect()).write(to: output.correct(name))
        try RunRow.record([row(run, trainer.state, last)], in: output.runs)
        try writeTables()
    }

    private var origin: RunProvenance.DataOrigin { dataset.isOfficial ? .official : .unofficial }

    private func row(_ run: PlannedRun, _ state: TrainingState, _ last: EpochRecord) -> RunRow {
        RunRow(
            cell: run.cell, seed: run.description.seed, epochs: state.epoch, testImages: last.testCount, correctFinal: last.testHits,
            correctBest: state.curve.map(\.testHits).max(), reportedIn: reported,
            provenance: RunProvenance(
                seconds: state.seconds, threads: threads, precision: run.description.precision.rawValue,
                commit: SystemFacts.commit(inFolder: "."), recipe: run.recipeName, recipeDigest: run.recipeDigest, dataOrigin: origin,
                how: commandLine()))
    }

    private func writeTables() throws {
        guard try !output.rows().isEmpty else { return }
        try withLock(on: output.path) { try ResultFiles(output, experiments: experiments).write() }
    }
}

/// The command line, the program by its name alone.
func commandLine() -> String {
    let program = CommandLine.arguments.first.map { ($0 as NSString).lastPathComponent } ?? "reproduce"
    return ([program] + CommandLine.arguments.dropFirst()).joined(separator: " ")
}

func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
