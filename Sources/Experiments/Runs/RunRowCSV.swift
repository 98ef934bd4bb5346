// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Reporting
import Statistics
import Training

/// `runs.csv`: one row per run, accuracies and interval ends in percent, empty where there is no number. A run without
/// `top1_final` diverged in the epoch after `epochs`.
extension RunRow {
    public static let columns = [
        "dataset", "network", "weight_bits", "activation_bits", "method", "protocol", "seed", "epochs", "n_test", "top1_final",
        "ci95_low", "ci95_high", "top1_best", "top5_final", "top5_low", "top5_high", "reported", "reported_source", "seconds", "commit",
        "recipe", "recipe_digest",
        "data_origin", "threads", "precision", "cell", "quantized_layers", "blending", "input_derivative", "resolution_derivative", "how"
    ]
    /// Of top-5, which files from before ImageNet lack.
    private static let top5Columns = ["top5_final", "top5_low", "top5_high"]
    /// The columns that tell runs apart: a new run with the same ones takes the old one's place.
    public static let key = ["dataset", "cell", "protocol", "seed", "data_origin", "precision"]

    /// What only some files have, before the last column: so rows of before are written again as they were.
    private struct Further {
        let settings: [Recipe.Key]
        let hasTrainLoss, hasData: Bool
        static let others = ["train_loss", "data_crc32"]

        /// - Parameter rows: of the file.
        init(of rows: [RunRow]) {
            settings = Condition.showable.filter { key in !columns.contains(key.rawValue) && rows.contains { $0.condition[key] != nil } }
            hasTrainLoss = rows.contains { $0.trainLoss != nil }
            hasData = rows.contains { $0.provenance.data != nil }
        }

        var header: [String] {
            var all = columns
            let further = settings.map(\.rawValue) + zip(Self.others, [hasTrainLoss, hasData]).filter(\.1).map(\.0)
            all.insert(contentsOf: further, at: all.count - 1)
            return all
        }

        func fields(_ row: RunRow) -> [String] {
            settings.map { row.condition[$0] ?? "" } + (hasTrainLoss ? [row.trainLoss.map { String(format: "%.6g", $0) } ?? ""] : [])
                + (hasData ? [row.provenance.data ?? ""] : [])
        }
    }

    /// The row's fields in the order of `columns`.
    public var fields: [String] { fields([]) }

    private func fields(_ further: [String]) -> [String] {
        func ends(_ accuracy: Percent?) -> [String] {
            [accuracy?.interval.low, accuracy?.interval.high].map { $0.map(fixed) ?? "" }
        }
        let what =
            [condition.dataset.name] + [.network, .weightBits, .activationBits, .method].map { (key: Recipe.Key) in condition[key] ?? "" }
        let count = [condition.runProtocol.rawValue, "\(seed)", "\(epochs)", "\(testImages)"]
        let accuracies =
            [top1Final.map(fixed) ?? ""] + ends(top1) + [top1Best.map(fixed) ?? "", top5.map { fixed($0.value) } ?? ""] + ends(top5)
        let seconds = String(format: "%.1f", max(provenance.seconds, 0.1))  // more than 0
        let origin = [
            seconds, provenance.commit, provenance.recipe, provenance.recipeDigest, provenance.dataOrigin.rawValue, "\(provenance.threads)",
            condition.precision.rawValue, condition.cell
        ]
        let settings = Condition.kept.map { condition[$0] ?? "" } + further
        return what + count + accuracies + [reported.map { "\($0)" } ?? "", reportedSource] + origin + settings + [provenance.how]
    }

    /// Reads the rows of a `runs.csv`.
    /// - Throws: `FileError` naming the file, row and column when a field is not what its column holds, when an accuracy is no
    ///   count of `n_test` images, or when an interval does not belong to its accuracy.
    public static func read(from path: String) throws -> [RunRow] {
        let table = try CSVTable(contentsOf: path)
        let further = Condition.showable.map(\.rawValue) + Further.others,
            known = table.header.filter { columns.contains($0) || !further.contains($0) }
        guard known == columns || known == columns.filter({ !top5Columns.contains($0) }) else {
            throw FileError(
                "\(path):1: expected the columns \(columns.joined(separator: ",")), found \(table.header.joined(separator: ","))")
        }
        let rows = try table.rows.indices.map { try RunRow(Fields(table: table, row: $0, path: path)) }
        try refuseRepetitions(in: rows, path)
        return rows
    }

    /// A run that is there twice would count as two seeds, or twice in one file of two machines leave open which numbers are its own.
    private static func refuseRepetitions(in rows: [RunRow], _ path: String) throws {
        var places: [String: Int] = [:]
        for (index, row) in rows.enumerated() {
            guard let first = places.updateValue(index, forKey: "\(row.name) \(row.provenance.dataOrigin)") else { continue }
            let differing = zip(columns, zip(rows[first].fields, row.fields)).filter { $1.0 != $1.1 }.map {
                "\($0) \(visible($1.0)) and \(visible($1.1))"
            }
            throw FileError(
                "\(path): rows \(first + 1) and \(index + 1) are the same run, \(row.name), "
                    + (differing.isEmpty
                        ? "with the same numbers: delete one" : "with different \(differing.joined(separator: ", ")): keep one"))
        }
    }

    /// The rows as a table of `columns`.
    public static func table(_ rows: [RunRow]) -> CSVTable {
        let further = Further(of: rows)
        return CSVTable(header: further.header, rows: rows.map { $0.fields(further.fields($0)) })
    }

    /// Puts `rows` into the file at `path` (made when missing), each in place of the row with the same `key`; processes
    /// that do so at the same time wait for each other.
    /// - Throws: `FileError` as `read` does, or when the file cannot be written; the old file is then untouched.
    public static func record(_ rows: [RunRow], in path: String) throws {
        try withLock(on: (path as NSString).deletingLastPathComponent) {
            let old = FileManager.default.fileExists(atPath: path) ? try read(from: path) : []
            let further = Further(of: old + rows)
            var table = CSVTable(header: further.header)
            for row in old + rows { table.appendOrReplace(row.fields(further.fields(row)), key: key) }
            try table.write(to: path)
        }
    }

    private init(_ fields: Fields) throws {
        let data = fields.text("data_crc32")
        guard data.map({ $0.utf8.count == 8 && UInt32($0, radix: 16) != nil }) ?? true else {
            throw fields.error("data_crc32", "eight hexadecimal digits")
        }
        guard isName(fields["recipe_digest"]) else { throw fields.error("recipe_digest", "a name of letters, digits and -_.+") }
        for column in ["reported_source", "commit", "recipe", "how"] where !isPlainText(fields[column]) {
            throw fields.error(column, plainTextRule)
        }
        let hasAccuracy = !fields["top1_final"].isEmpty
        for column in ["ci95_low", "ci95_high", "top1_best"] where !hasAccuracy && !fields[column].isEmpty {
            throw fields.error(column, "nothing, as top1_final is empty")
        }
        let testImages = try fields.integer("n_test")
        guard (1..<1_000_000).contains(testImages) else { throw fields.error("n_test", "1 … 999999") }
        let epochs = try fields.integer("epochs")
        guard epochs <= 1_000_000 else { throw fields.error("epochs", "at most 1000000") }
        let seconds = try fields.number("seconds"), threads = try fields.integer("threads")
        guard seconds > 0 else { throw fields.error("seconds", "more than 0") }
        guard threads > 0 else { throw fields.error("threads", "more than 0") }
        guard let seed = UInt64(fields["seed"]) else { throw fields.error("seed", "an integer that is not negative") }
        guard let origin = RunProvenance.DataOrigin(rawValue: fields["data_origin"]) else {
            throw fields.error("data_origin", "official or unofficial")
        }
        self.init(
            condition: try Condition(fields.text, fault: fields.error),
            seed: seed, epochs: epochs, testImages: testImages,
            correctFinal: hasAccuracy ? try fields.count("top1_final", of: testImages) : nil,
            correctBest: fields["top1_best"].isEmpty ? nil : try fields.count("top1_best", of: testImages),
            trainLoss: try fields.text("train_loss") == nil ? nil : fields.number("train_loss"), top5Final: try fields.top5(of: testImages),
            reported: fields["reported"].isEmpty ? nil : try fields.number("reported"), reportedSource: fields["reported_source"],
            provenance: RunProvenance(
                seconds: seconds, threads: threads, commit: fields["commit"], recipe: fields["recipe"],
                recipeDigest: fields["recipe_digest"], dataOrigin: origin, data: data, how: fields["how"]))
        if let correctBest, let correctFinal, correctBest < correctFinal { throw fields.error("top1_best", "at least top1_final") }
        var ends: [(String, Double, Int)] = []
        if let interval, let correctFinal { ends += [("ci95_low", interval.low, correctFinal), ("ci95_high", interval.high, correctFinal)] }
        if let top5, let top5Final { ends += [("top5_low", top5.interval.low, top5Final), ("top5_high", top5.interval.high, top5Final)] }
        for (column, end, count) in ends where abs(try fields.number(column) - end) > 1e-4 {
            throw fields.error(column, "\(fixed(end)), the exact 95 % end for \(count) of \(testImages)")
        }
    }
}

/// The fields of one row, by column, with errors that name the place.
private struct Fields {
    let table: CSVTable
    let row: Int
    let path: String

    subscript(column: String) -> String { table[row, column] }

    /// `nil` where there is no such column, or nothing in it.
    func text(_ column: String) -> String? { table.header.contains(column) && !self[column].isEmpty ? self[column] : nil }

    func error(_ column: String, _ expected: String) -> FileError {
        FileError("\(path): row \(row + 1), \(column): expected \(expected), found \"\(visible(text(column) ?? ""))\"")
    }

    func integer(_ column: String) throws -> Int {
        guard let value = Int(self[column]), value >= 0 else { throw error(column, "an integer that is not negative") }
        return value
    }

    func number(_ column: String) throws -> Double {
        guard let value = Double(self[column]), value.isFinite else { throw error(column, "a number") }
        return value
    }

    /// The count behind top-5; nil where the column is empty or missing.
    func top5(of total: Int) throws -> Int? {
        guard table.header.contains("top5_final"), !self["top5_final"].isEmpty else { return nil }
        let (top1, top5) = (try count("top1_final", of: total), try count("top5_final", of: total))
        guard top5 >= top1 else { throw error("top5_final", "at least top1_final") }
        return top5
    }

    /// The count behind a percentage of `total`.
    func count(_ column: String, of total: Int) throws -> Int {
        let value = try number(column)
        guard (0...100).contains(value) else { throw error(column, "a percentage") }
        let count = (value * Double(total) / 100).rounded()
        guard abs(100 * count / Double(total) - value) < 1e-4 else { throw error(column, "a whole number of \(total) images in percent") }
        return Int(count)
    }
}
