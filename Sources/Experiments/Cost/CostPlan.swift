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
        cells: ExperimentCells, tables: [ExperimentTable], reported: ReportedValues, images: PlannedImages, precision: Precision,
        threads: Int,
        cluster: ClusterCost? = nil
    ) {
        self.cluster = cluster
        (self.cells, self.tables, self.reported) = (cells, tables, reported)
        (self.images, self.precision, self.threads) = (images, precision, threads)
    }

    /// One cell, as `list --json` shows it.
    public struct Estimate: Codable, Sendable {
        public let cell, network, bits, method: String
        /// Tables and figures.
        public let shownIn: [String]
        public let epochs: Int
        /// On this machine, and on so many nodes like it.
        public let seconds: Double
        public let secondsOnNodes: Double?
        /// With its source; nil where none is known.
        public let reported: String?
    }

    /// Measures a few steps of each kind.
    /// - Throws: `MemoryError` when the batches of a cell would not fit into memory.
    public func estimates() throws -> [Estimate] {
        var costs: [StepCost] = []
        return try cells.cells.map { cell in
            let cost =
                try costs.first { $0.stands(for: cell.recipe) }
                ?? StepCost(measuring: cell.recipe, on: images, precision: precision, threads: threads)
            costs.append(cost)
            let condition = Condition(cell, on: images.dataset, cells.runProtocol, precision), epochs = cell.recipe.epochs
            return Estimate(
                cell: cell.name, network: condition.network, bits: condition.bits, method: condition.method.rawValue,
                shownIn: tables.filter { $0.cells.contains(cell.name) }.map(\.name), epochs: epochs, seconds: cost.seconds(epochs: epochs),
                secondsOnNodes: cluster.map { cost.seconds(epochs: epochs, on: $0) },
                reported: reported[condition.reportedID].map { "\($0.value) \($0.unit) (\($0.source))" })
        }
    }

    public func table(_ estimates: [Estimate]) -> TextTable {
        let rows = estimates.map { cell in
            [
                cell.cell, cell.network, cell.bits, cell.method, cell.shownIn.joined(separator: ", "), "\(cell.epochs)",
                timeInWords(cell.seconds)
            ]
                + (cell.secondsOnNodes.map { [timeInWords($0)] } ?? []) + [cell.reported ?? ReportedValue.notAvailable]
        }
        let shared = cluster.map { ["On \($0.nodes) such nodes"] } ?? []
        return TextTable(
            header: ["Cell", "Network", "Bits", "Method", "Shown in", "Epochs", "Estimated time"] + shared + ["Reported"], rows: rows)
    }
}
