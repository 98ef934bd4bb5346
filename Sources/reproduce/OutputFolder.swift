// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Reporting
import Training

/// The files of an output folder:
///
///     table1.csv  table1.md  table1.svg  table1.png  table1.gp  table1-K.csv   the table and its figure
///     curves/RUN.csv                                                            one learning curve a run
///     checkpoints/RUN.safetensors                                               where each run stands
struct OutputFolder {
    let path: String

    init(_ path: String) throws {
        self.path = path
        for folder in [path, "\(path)/curves", "\(path)/checkpoints"] { try makeFolder(folder) }
    }

    var table: String { "\(path)/table1.csv" }
    func checkpoint(_ run: RunDescription) -> String { "\(path)/checkpoints/\(run.name).safetensors" }
    func curve(_ run: String) -> String { "\(path)/curves/\(run).csv" }

    func hasCheckpoint(_ run: RunDescription) -> Bool { FileManager.default.fileExists(atPath: checkpoint(run)) }

    func rows() throws -> [RunRow] {
        FileManager.default.fileExists(atPath: table) ? try RunRow.read(from: table) : []
    }

    func write(_ curve: [EpochRecord], of run: RunDescription, commit: String, command: String) throws {
        let header = [
            "run", "recipe_digest", "seed", "epoch", "rate", "train_loss", "train_top1", "test_loss", "test_top1", "n_test", "seconds",
            "commit", "how",
        ]
        let rows = curve.map { record in
            [
                run.name, run.digest, "\(run.seed)", "\(record.epoch)", "\(record.rate)", decimal(record.trainLoss, 6),
                decimal(record.trainTop1, 4), decimal(record.testLoss, 6), decimal(record.testTop1, 4), "\(record.testCount)",
                decimal(record.seconds, 1), commit, command,
            ]
        }
        try CSVTable(header: header, rows: rows).write(to: self.curve(run.name))
    }

    /// The points of a run's curve; empty where the file is gone.
    func points(_ run: String) throws -> [LearningCurvePoint] {
        guard FileManager.default.fileExists(atPath: curve(run)) else { return [] }
        let table = try CSVTable(contentsOf: curve(run))
        return table.rows.indices.compactMap { row in
            guard let epoch = Int(table[row, "epoch"]), let loss = Double(table[row, "train_loss"]) else { return nil }
            return LearningCurvePoint(
                epoch: epoch, trainAccuracy: Double(table[row, "train_top1"]), validationAccuracy: Double(table[row, "test_top1"]),
                loss: loss)
        }
    }

    private func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
