// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Reporting
import Training

/// All cells of a protocol, what each would cost on this machine, and what is reported for it.
public struct CostPlan {
    private let cells: ExperimentCells
    private let tables: [ExperimentTable]
    private let reported: ReportedValues
    private let images: PlannedImages
    private let precision: Precision
    private let threads: Int
    private let cluster: ClusterCost?

    public init(
        cells: ExperimentCells, tables: [ExperimentTable], reported: ReportedValues, images: PlannedImages, precision: Precision, threads: Int,
        cluster: ClusterCost? = nil
    ) {
        self.cluster = cluster
        (self.cells, self.tables, self.reported) = (cells, tables, reported)
        (self.images, self.precision, self.threads) = (images, precision, threads)
    }

    /// Measures a few steps of each kind.
    /// - Throws: `MemoryError` when the batches of a cell would not fit into memory.
    public func table() throws -> TextTable {
        var costs: [StepCost] = []
        let rows = try cells.cells.map { cell in
            let cost = try costs.first { $0.stands(for: cell.recipe) }
                ?? StepCost(measuring: cell.recipe, on: images, precision: precision, threads: threads)
            costs.append(cost)
            let condition = Condition(cell, on: images.dataset, cells.runProtocol, precision), epochs = cell.recipe.epochs
            let times = [timeInWords(cost.seconds(epochs: epochs))] + (cluster.map { [timeInWords(cost.seconds(epochs: epochs, on: $0))] } ?? [])
            let shownIn = tables.filter { $0.cells.contains(cell.name) }.map(\.name).joined(separator: ", ")
            let published = reported[condition.reportedID].map { "\($0.value) \($0.unit) (\($0.source))" } ?? ReportedValue.notAvailable
            return [cell.name, condition.network, condition.bits, condition.method.rawValue, shownIn, "\(epochs)"] + times + [published]
        }
        let shared = cluster.map { ["On \($0.nodes) such nodes"] } ?? []
        return TextTable(header: ["Cell", "Network", "Bits", "Method", "Shown in", "Epochs", "Estimated time"] + shared + ["Reported"], rows: rows)
    }
}
