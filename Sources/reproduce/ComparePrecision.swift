// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import BuildFacts
import Files
import Foundation
import Reporting
import Training

struct ComparePrecision: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares the gradients of mixed precision with those of f32 at trained networks; trains nothing.",
        discussion: """
            For every parameter, over the first mini-batches of the next epoch, each relative to the gradient: the error of mixed \
            precision, the noise (what choosing other images changes), the slope (whether mixed precision shrinks or stretches the \
            gradient, with its 95 % interval over mini-batches), and the drift (1 when the errors of different mini-batches are \
            independent, √B when they are the same B times).
            """)

    @Argument(help: ArgumentHelp("Checkpoints of runs on one data set.", valueName: "checkpoint"))
    var checkpoints: [String]

    @OptionGroup var images: DataOptions

    @Option(help: "Mini-batches, 2 or more.") var batches = 20

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("The table, a CSV file; rows of these checkpoints replace those in it.", valueName: "file"))
    var out = "runs/precision/gradients.csv"

    func validate() throws {
        guard (2...10_000).contains(batches) else { throw ValidationError("--batches must be 2 to 10000, not \(batches)") }
    }

    private static let header = [
        "run", "parameter", "elements", "batches", "error", "noise", "slope", "slope_low", "slope_high", "drift", "seed",
        "recipe_digest", "data_origin", "threads", "commit", "how",
    ]

    func run() throws {
        let dataset = try images.load()
        _ = try table()  // before the work, so that a bad --out costs no time
        var rows: [[String]] = []
        for path in checkpoints {
            let checkpoint = try Checkpoint(path: path)
            let run = try checkpoint.description()
            let comparison = try PrecisionComparison(checkpoint, dataset: dataset, batches: batches, threads: computing.threads)
            for row in comparison.rows {
                let numbers = [row.error, row.noise, row.slope, row.slopeInterval?.low, row.slopeInterval?.high, row.drift]
                rows.append(
                    [run.name, row.parameter, "\(row.count)", "\(comparison.batches)"] + numbers.map { $0.map { String(format: "%.6f", $0) } ?? "" }
                        + ["\(run.seed)", run.digest, dataset.isOfficial ? "official" : "unofficial", "\(computing.threads)",
                           BuildFacts.commit, commandLine()])
            }
            say(summary(run.name, comparison))
        }
        let folder = (out as NSString).deletingLastPathComponent
        if !folder.isEmpty { try makeFolder(folder) }
        try withLock(on: folder) {
            var table = try self.table()
            for row in rows { table.appendOrReplace(row, key: ["run", "parameter"]) }
            try table.write(to: out)
        }
    }

    private func table() throws -> CSVTable {
        guard FileManager.default.fileExists(atPath: out) else { return CSVTable(header: Self.header) }
        let table = try CSVTable(contentsOf: out)
        guard table.header == Self.header else { throw FileError("\(out) is another table: its columns are \(table.header.joined(separator: ","))") }
        return table
    }

    /// One line: medians over the parameters, and the worst.
    private func summary(_ name: String, _ comparison: PrecisionComparison) -> String {
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        let rows = comparison.rows, loss = comparison.lossDifference
        return String(
            format: "%@: median over %d parameters: error %.1f %%, noise %.0f %%, slope %+.3f %%, drift %.2f (independent: 1, same: %.1f); "
                + "largest error %.1f %%; loss mixed − f32 %+.5f",
            name, rows.count, 100 * median(rows.map(\.error)), 100 * median(rows.map(\.noise)), 100 * median(rows.map(\.slope)),
            median(rows.map(\.drift)), Double(comparison.batches).squareRoot(), 100 * (rows.map(\.error).max() ?? 0), loss.mean)
            + (loss.interval.map { String(format: " [%+.5f, %+.5f]", $0.low, $0.high) } ?? "")
    }
}
