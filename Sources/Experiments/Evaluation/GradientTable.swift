// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting
import Statistics
import Training

/// The CSV of precision comparisons: one row a run and parameter.
public struct GradientTable {
    private static let header = [
        "run", "parameter", "elements", "batches", "error", "noise", "slope", "slope_low", "slope_high", "drift", "seed",
        "description_digest", "data_origin", "threads", "commit", "how"
    ]

    private let path: String
    /// What is compared with f32.
    private let precision: Precision
    private let threads: Int
    private let invocation: Invocation

    /// - Throws: `FileError` when the file holds another table.
    public init(_ path: String, _ precision: Precision, threads: Int, invocation: Invocation) throws {
        (self.path, self.precision, self.threads, self.invocation) = (path, precision, threads, invocation)
        _ = try table()
    }

    /// Compares the precisions at each checkpoint; rows of these take the place of those in the file.
    public func record(_ checkpoints: [String], on dataset: any Dataset, batches: Int) throws {
        for path in checkpoints {
            let checkpoint = try Checkpoint(path: path), run = try checkpoint.description()
            let comparison = try PrecisionComparison(checkpoint, precision, dataset: dataset, batches: batches, threads: threads)
            let written = Result {
                try write(comparison.rows.map { fields($0, run, comparison.batches, RunProvenance.DataOrigin(dataset)) })
            }
            say(comparison.summary(run.name, precision))
            try written.get()
        }
    }

    private func write(_ rows: [[String]]) throws {
        let folder = (path as NSString).deletingLastPathComponent
        if !folder.isEmpty { try makeFolder(folder) }
        try withLock(on: folder) {
            var table = try self.table()
            for row in rows { table.appendOrReplace(row, key: ["run", "parameter"]) }
            try table.write(to: path)
        }
    }

    private func fields(_ row: PrecisionComparison.Row, _ run: RunDescription, _ batches: Int, _ origin: RunProvenance.DataOrigin)
        -> [String]
    {
        let numbers = [row.error, row.noise, row.slope, row.slopeInterval?.low, row.slopeInterval?.high, row.drift]
        return [run.name, row.parameter, "\(row.count)", "\(batches)"] + numbers.map { $0.map { String(format: "%.6f", $0) } ?? "" }
            + ["\(run.seed)", run.digest, origin.rawValue, "\(threads)", invocation.commit, invocation.command]
    }

    private func table() throws -> CSVTable { try CSVTable.growing(path, columns: Self.header) }
}

extension PrecisionComparison {
    /// One line: medians over the parameters, and the worst.
    fileprivate func summary(_ name: String, _ precision: Precision) -> String {
        return String(
            format: "%@: median over %d parameters: error %.1f %%, noise %.0f %%, slope %+.3f %%, drift %.2f (independent: 1, same: %.1f); "
                + "largest error %.1f %%; loss %@ − f32 %+.5f",
            name, rows.count, 100 * median(rows.map(\.error)), 100 * median(rows.map(\.noise)), 100 * median(rows.map(\.slope)),
            median(rows.map(\.drift)), Double(batches).squareRoot(), 100 * (rows.map(\.error).max() ?? 0), precision.rawValue,
            lossDifference.mean)
            + (lossDifference.interval.map { String(format: " [%+.5f, %+.5f]", $0.low, $0.high) } ?? "")
    }
}
