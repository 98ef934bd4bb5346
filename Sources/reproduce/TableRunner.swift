// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Networks
import Reporting
import Statistics
import Training

/// A cell with a seed: the run, and the float run that it starts from.
struct PlannedRun {
    let description: RunDescription
    let float: RunDescription?
    /// Short, for the progress bar.
    let label: String

    init(_ cell: ExperimentCell, seed: UInt64, table: ExperimentTable, dataset: String, precision: Precision) throws {
        float = cell.isFloat
            ? nil
            : try PlannedRun(table.warmStart(of: cell), seed: seed, table: table, dataset: dataset, precision: precision).description
        label = "\(cell.name) seed \(seed)"
        let precision = cell.recipe.hasIntegerPasses ? precision : .f32
        let suffix = precision == .f32 ? "" : "-\(precision.rawValue)"
        let name = "\(dataset.lowercased())-\(cell.name)-\(table.runProtocol.rawValue)-seed\(seed)\(suffix)"
        description = RunDescription(
            name: name, dataset: dataset, recipe: cell.recipe, seed: seed, warmStart: float, precision: precision)
    }
}

/// Runs the cells of a table one after the other and keeps the table's files up to date after each.
struct TableRunner {
    let table: ExperimentTable
    let dataset: ImageDataset
    let threads: Int
    /// For the cells that have integer passes; the others run in f32.
    let precision: Precision
    let reported: ReportedValues
    let output: OutputFolder
    let stop: StopRequest

    /// - Parameter resume: without it, anything that the folder already holds of these runs is an error.
    func run(_ cells: [ExperimentCell], seeds: [UInt64], resume: Bool) throws {
        let runs = try seeds.flatMap { seed in
            try cells.map { try PlannedRun($0, seed: seed, table: table, dataset: dataset.name, precision: precision) }
        }
        let rows = try output.rows()
        let finished = try runs.map { try finishedRow($0.description, in: rows) }
        for (run, row) in zip(runs, finished) where !resume && (row != nil || output.hasCheckpoint(run.description)) {
            throw FileError(
                "\(output.path) already holds \(run.description.name): add --resume to keep it and go on, or choose another --out")
        }
        for (run, row) in zip(runs, finished) where !stop.isMade {
            // A float run without its checkpoint cannot be started from, so it is trained again.
            if let row, run.float != nil || output.hasCheckpoint(run.description) {
                note("\(run.description.name): finished before, \(String(format: "%.2f", row.top1Final)) %")
            } else {
                try train(run)
            }
        }
        try writeTable()
    }

    /// The row of this run among the table's.
    /// - Throws: `RecipeError` when it was computed with another recipe.
    private func finishedRow(_ run: RunDescription, in rows: [RunRow]) throws -> RunRow? {
        let row = rows.first {
            $0.cell == cell(run.recipe) && $0.seed == run.seed && $0.provenance.dataOrigin == origin && $0.provenance.precision == run.precision.rawValue
        }
        guard let row, row.provenance.recipeDigest != run.digest else { return row }
        throw RecipeError(
            "\(output.table) holds \(run.name) with recipe \(row.provenance.recipeDigest), now it is \(run.digest): "
                + "use another --out, or delete the row")
    }

    private func train(_ run: PlannedRun) throws {
        let (name, path) = (run.description.name, output.checkpoint(run.description))
        let trainer = try Trainer(run.description, dataset: dataset, threads: threads)
        if output.hasCheckpoint(run.description) {
            try trainer.restore(try Checkpoint(path: path))
            note("\(name): going on from epoch \(trainer.state.epoch + 1), batch \(trainer.state.batch + 1)")
        } else if let float = run.float {
            try trainer.warmStart(from: try Checkpoint(path: output.checkpoint(float)), of: float)
            note("\(name): from the weights of \(float.name)")
        } else {
            note("\(name): from the start")
        }
        var observer = RunObserver(run: run.description, label: run.label, images: dataset.train.count, output: output)
        defer { observer.close() }
        try trainer.train(checkpoint: path, stop: stop, observer: &observer)
        guard trainer.isFinished, let last = trainer.state.curve.last else { return }
        try RunRow.record([row(run.description, trainer.state, last)], in: output.table)
        try writeTable()
    }

    private var origin: RunProvenance.DataOrigin { dataset.isOfficial ? .official : .unofficial }

    private func cell(_ recipe: Recipe) -> RunCell {
        RunCell(
            dataset: dataset.name, network: recipe.network, weightBits: recipe.weightBits, activationBits: recipe.activationBits,
            method: recipe.method.rawValue, protocolName: table.runProtocol.rawValue)
    }

    private func row(_ run: RunDescription, _ state: TrainingState, _ last: EpochRecord) -> RunRow {
        RunRow(
            cell: cell(run.recipe), seed: run.seed, epochs: state.epoch, testImages: last.testCount, correctFinal: last.testHits,
            correctBest: state.curve.map(\.testHits).max(), reportedIn: reported,
            provenance: RunProvenance(
                seconds: state.seconds, threads: threads, precision: run.precision.rawValue, commit: SystemFacts.commit(inFolder: "."), recipe: "paper",
                recipeDigest: run.digest, dataOrigin: origin, how: commandLine()))
    }

    /// The Markdown table of all rows, and the figure of those with this data set and protocol.
    private func writeTable() throws {
        let rows = try output.rows()
        guard !rows.isEmpty else { return }
        try writeAtomically(Data(Table1(rows) { studentInterval($0).interval }.markdown.utf8), to: "\(output.path)/table1.md")
        let curves = try table.cells.flatMap { cell in
            try rows.filter { $0.cell == self.cell(cell.recipe) }.map { row in
                let precision = Precision(rawValue: row.provenance.precision) ?? .f32
                let run = try PlannedRun(cell, seed: row.seed, table: table, dataset: dataset.name, precision: precision).description
                let suffix = precision == .f32 ? "" : ", \(precision.rawValue)"
                let label = "\(row.cell.network) \(row.cell.bits) \(row.cell.method), seed \(row.seed)\(suffix)"
                return LearningCurve(label: label, points: try output.points(run.name))
            }
        }.filter { !$0.points.isEmpty }
        guard !curves.isEmpty else { return }
        let title = "\(dataset.name), protocol \(table.runProtocol.rawValue)"
        try Gnuplot().draw(learningCurveFigure(name: "table1", title: title, curves: curves), in: output.path)
    }
}

/// The command line, the program by its name alone.
func commandLine() -> String {
    let program = CommandLine.arguments.first.map { ($0 as NSString).lastPathComponent } ?? "reproduce"
    return ([program] + CommandLine.arguments.dropFirst()).joined(separator: " ")
}

func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
