// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// `runs.csv`: one row per run, accuracies and interval ends in percent, empty where there is no number. A run without
/// `top1_final` diverged in the epoch after `epochs`.
extension RunRow {
    public static let columns = [
        "dataset", "network", "weight_bits", "activation_bits", "method", "protocol", "seed", "epochs", "n_test", "top1_final",
        "ci95_low", "ci95_high", "top1_best", "top5_final", "top5_low", "top5_high", "reported", "reported_source", "seconds", "commit", "recipe", "recipe_digest",
        "data_origin", "threads", "precision", "cell", "quantized_layers", "blending", "input_derivative", "resolution_derivative", "how",
    ]
    /// Of top-5, which files from before ImageNet lack.
    private static let top5Columns = ["top5_final", "top5_low", "top5_high"]
    /// The columns that tell runs apart: a new run with the same ones takes the old one's place.
    public static let key = ["dataset", "cell", "protocol", "seed", "data_origin", "precision"]

    /// The row's fields in the order of `columns`.
    public var fields: [String] {
        [
            cell.dataset, cell.network, "\(cell.weightBits)", "\(cell.activationBits)", cell.method, cell.protocolName, "\(seed)",
            "\(epochs)", "\(testImages)", top1Final.map(fixed) ?? "", (interval?.low).map(fixed) ?? "", (interval?.high).map(fixed) ?? "",
            top1Best.map(fixed) ?? "", top5.map { fixed($0.value) } ?? "", top5.map { fixed($0.interval.low) } ?? "",
            top5.map { fixed($0.interval.high) } ?? "", reported.map { "\($0)" } ?? "", reportedSource,
            String(format: "%.1f", max(provenance.seconds, 0.1)),  // more than 0
            provenance.commit, provenance.recipe, provenance.recipeDigest, provenance.dataOrigin.rawValue, "\(provenance.threads)",
            provenance.precision, cell.name, cell.quantizedLayers, cell.blending.map { "\($0)" } ?? "", cell.inputDerivative,
            cell.resolutionDerivative, provenance.how,
        ]
    }

    /// Reads the rows of a `runs.csv`.
    /// - Throws: `FileError` naming the file, row and column when a field is not what its column holds, when an accuracy is no
    ///   count of `n_test` images, or when an interval does not belong to its accuracy.
    public static func read(from path: String) throws -> [RunRow] {
        let table = try CSVTable(contentsOf: path)
        guard table.header == columns || table.header == columns.filter({ !top5Columns.contains($0) }) else {
            throw FileError("\(path):1: expected the columns \(columns.joined(separator: ",")), found \(table.header.joined(separator: ","))")
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
            let differing = zip(columns, zip(rows[first].fields, row.fields)).filter { $1.0 != $1.1 }.map { "\($0) \(visible($1.0)) and \(visible($1.1))" }
            throw FileError(
                "\(path): rows \(first + 1) and \(index + 1) are the same run, \(row.name), "
                    + (differing.isEmpty ? "with the same numbers: delete one" : "with different \(differing.joined(separator: ", ")): keep one"))
        }
    }

    /// The rows as a table of `columns`.
    public static func table(_ rows: [RunRow]) -> CSVTable { CSVTable(header: columns, rows: rows.map(\.fields)) }

    /// Puts `rows` into the file at `path` (made when missing), each in place of the row with the same `key`; processes
    /// that do so at the same time wait for each other.
    /// - Throws: `FileError` as `read` does, or when the file cannot be written; the old file is then untouched.
    public static func record(_ rows: [RunRow], in path: String) throws {
        try withLock(on: (path as NSString).deletingLastPathComponent) {
            let old = FileManager.default.fileExists(atPath: path) ? try read(from: path) : []
            var table = CSVTable(header: columns)
            for row in old + rows { table.appendOrReplace(row.fields, key: key) }
            try table.write(to: path)
        }
    }

    private init(_ fields: Fields) throws {
        guard isLabel(fields["dataset"]) else { throw fields.error("dataset", "a name of letters, digits, blanks and -_.,()+&") }
        for column in ["network", "method", "protocol", "recipe_digest", "precision", "cell"] where !isName(fields[column]) {
            throw fields.error(column, "a name of letters, digits and -_.+")
        }
        for column in ["quantized_layers", "input_derivative", "resolution_derivative"] where !fields[column].isEmpty && !isName(fields[column]) {
            throw fields.error(column, "nothing, or a name of letters, digits and -_.+")
        }
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
            cell: RunCell(
                name: fields["cell"], dataset: fields["dataset"], network: fields["network"], weightBits: try fields.integer("weight_bits"),
                activationBits: try fields.integer("activation_bits"), method: fields["method"],
                quantizedLayers: fields["quantized_layers"], blending: fields["blending"].isEmpty ? nil : try fields.number("blending"),
                inputDerivative: fields["input_derivative"], resolutionDerivative: fields["resolution_derivative"],
                protocolName: fields["protocol"]),
            seed: seed, epochs: epochs, testImages: testImages,
            correctFinal: hasAccuracy ? try fields.count("top1_final", of: testImages) : nil,
            correctBest: fields["top1_best"].isEmpty ? nil : try fields.count("top1_best", of: testImages),
            top5Final: try fields.top5(of: testImages),
            reported: fields["reported"].isEmpty ? nil : try fields.number("reported"), reportedSource: fields["reported_source"],
            provenance: RunProvenance(
                seconds: seconds, threads: threads, precision: fields["precision"], commit: fields["commit"],
                recipe: fields["recipe"], recipeDigest: fields["recipe_digest"], dataOrigin: origin, how: fields["how"]))
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

    func error(_ column: String, _ expected: String) -> FileError {
        FileError("\(path): row \(row + 1), \(column): expected \(expected), found \"\(visible(self[column]))\"")
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
