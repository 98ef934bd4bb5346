// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Reporting
import Training

/// Runs the cells of a table one after the other and keeps the table's files up to date after each.
struct TableRunner {
    let table: ExperimentTable
    let dataset: ImageDataset
    let threads: Int
    let reported: ReportedValues
    let output: OutputFolder
    let stop: StopRequest

    /// - Parameter resume: without it, anything that the folder already holds of these runs is an error.
    func run(_ cells: [ExperimentCell], seeds: [UInt64], resume: Bool) throws {
        let runs = try seeds.flatMap { seed in try cells.map { try description($0, seed: seed) } }
        let finished = try runs.map(finishedRow)
        if !resume, let index = runs.indices.first(where: { finished[$0] != nil || output.hasCheckpoint(runs[$0]) }) {
            throw FileError("\(output.path) already holds \(runs[index].name): add --resume to keep it and go on, or choose another --out")
        }
        for (run, row) in zip(runs, finished) where !stop.isMade {
            if let row, row.provenance.recipeDigest == run.digest, output.hasCheckpoint(run) || run.recipe.method != .float {
                note("\(run.name): finished before, \(String(format: "%.2f", row.top1Final)) %")
            } else {
                try train(run)
            }
        }
        try writeTable()
    }

    private func description(_ cell: ExperimentCell, seed: UInt64) throws -> RunDescription {
        let float = cell.isFloat ? nil : try description(try table.warmStart(of: cell), seed: seed)
        let name = "\(dataset.name.lowercased())-\(cell.name)-\(table.runProtocol.rawValue)-seed\(seed)"
        return RunDescription(name: name, dataset: dataset.name, recipe: cell.recipe, seed: seed, warmStart: float)
    }

    /// The row of this run in the table.
    /// - Throws: `RecipeError` when it was computed with another recipe.
    private func finishedRow(_ run: RunDescription) throws -> RunRow? {
        guard let row = try output.rows().first(where: { isRow($0, of: run) }) else { return nil }
        guard row.provenance.recipeDigest == run.digest else {
            throw RecipeError(
                "\(output.table) holds \(run.name) with recipe \(row.provenance.recipeDigest), now it is \(run.digest): "
                    + "use another --out, or delete the row")
        }
        return row
    }

    private func isRow(_ row: RunRow, of run: RunDescription) -> Bool { row.cell == cell(run) && row.seed == run.seed && row.provenance.dataOrigin == origin }

    private func cell(_ run: RunDescription) -> RunCell {
        RunCell(
            dataset: run.dataset, network: run.recipe.network, weightBits: run.recipe.weightBits,
            activationBits: run.recipe.activationBits, method: run.recipe.method.rawValue, protocolName: table.runProtocol.rawValue)
    }

    private func train(_ run: RunDescription) throws {
        let trainer = try Trainer(run, dataset: dataset, threads: threads)
        let path = output.checkpoint(run)
        if output.hasCheckpoint(run) {
            try trainer.restore(try Checkpoint(path: path))
            note("\(run.name): going on from epoch \(trainer.state.epoch), batch \(trainer.state.batch)")
        } else if let cell = try floatCell(run) {
            let float = try description(cell, seed: run.seed)
            try trainer.warmStart(from: try Checkpoint(path: output.checkpoint(float)), of: float)
        }
        var observer = RunObserver(run: run, images: dataset.train.count, output: output)
        defer { observer.close() }
        try trainer.train(checkpoint: path, stop: stop, observer: &observer)
        guard trainer.isFinished, let last = trainer.state.curve.last else { return }
        try RunRow.record([row(run, trainer.state, last)], in: output.table)
        try writeTable()
    }

    private func floatCell(_ run: RunDescription) throws -> ExperimentCell? {
        guard run.recipe.method != .float, let cell = table.cells.first(where: { $0.recipe == run.recipe }) else { return nil }
        return try table.warmStart(of: cell)
    }

    private var origin: RunProvenance.DataOrigin { dataset.isOfficial ? .official : .unofficial }

    private func row(_ run: RunDescription, _ state: TrainingState, _ last: EpochRecord) -> RunRow {
        RunRow(
            cell: cell(run), seed: run.seed, epochs: state.epoch, testImages: last.testCount, correctFinal: last.testHits,
            correctBest: state.curve.map(\.testHits).max(), reportedIn: reported,
            provenance: RunProvenance(
                seconds: state.seconds, threads: threads, commit: SystemFacts.commit(inFolder: "."), recipe: "paper",
                recipeDigest: run.digest, dataOrigin: origin, how: commandLine()))
    }

    /// The Markdown table of all rows, and the figure of those with this data set and protocol.
    private func writeTable() throws {
        let rows = try output.rows()
        guard !rows.isEmpty else { return }
        try writeAtomically(Data(Table1(rows).markdown.utf8), to: "\(output.path)/table1.md")
        let curves = try rows.filter { $0.cell.dataset == dataset.name && $0.cell.protocolName == table.runProtocol.rawValue }.compactMap { row in
            let cell = table.cells.first { self.cell($0, is: row.cell) }
            guard let cell else { return LearningCurve?.none }
            let points = try output.points(try description(cell, seed: row.seed).name)
            return points.isEmpty ? nil : LearningCurve(label: "\(row.cell.network) \(row.cell.bits) \(row.cell.method), seed \(row.seed)", points: points)
        }
        guard !curves.isEmpty else { return }
        let title = "\(dataset.name), protocol \(table.runProtocol.rawValue)"
        try Gnuplot().draw(learningCurveFigure(name: "table1", title: title, curves: curves), in: output.path)
    }

    private func cell(_ cell: ExperimentCell, is other: RunCell) -> Bool {
        (cell.recipe.network, cell.recipe.weightBits, cell.recipe.activationBits, cell.recipe.method.rawValue)
            == (other.network, other.weightBits, other.activationBits, other.method)
    }
}

/// The command line, the program by its name alone.
func commandLine() -> String {
    let program = CommandLine.arguments.first.map { ($0 as NSString).lastPathComponent } ?? "reproduce"
    return ([program] + CommandLine.arguments.dropFirst()).joined(separator: " ")
}

func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
