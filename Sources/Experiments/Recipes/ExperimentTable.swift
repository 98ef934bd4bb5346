// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Training

/// What a figure shows of its cells' runs.
public enum FigureKind: String, CaseIterable, Sendable {
    /// Validation accuracy by epoch.
    case curves
    /// The last epoch's accuracy by the blending factor ρ, beside a table.
    case sweep
}

/// A table or figure of the paper as `Experiments/NAME.yaml` states it: which cells it shows, in which order, and which
/// it compares. The runs themselves belong to no table.
public struct ExperimentTable: Equatable, Sendable {
    public let name: String
    public let title: String
    /// The settings that a row shows: keys of a recipe, and `bits` for both bit widths.
    public let columns: [SettingColumn]
    /// What is drawn of its cells; a figure alone, where it is `curves`.
    public let figure: FigureKind?
    /// Cells of every protocol.
    public let cells: [String]
    /// Pairs of cells whose accuracies are compared, `first − second`.
    public let comparisons: [[String]]

    /// - Parameters:
    ///   - name: of the table, such as `table1`.
    ///   - folder: `Experiments/`.
    /// - Throws: `FileError` or `RecipeError` naming the file and the key.
    public init(_ name: String, folder: String) throws {
        var file = try Settings(contentsOf: "\(folder)/\(name).yaml")
        func need<Value>(_ value: Value?, _ key: String) throws -> Value {
            guard let value else { throw RecipeError("\(file.source) needs the key \(key)") }
            return value
        }
        self.name = name
        title = try need(try file.take(string: "title"), "title")
        guard !title.isEmpty, isPlainText(title) else {
            throw RecipeError("\(file.source): title must be \(plainTextRule)")
        }
        columns = try need(try file.take(strings: "columns"), "columns").map { [source = file.source] name in
            guard let column = SettingColumn(name) else {
                throw RecipeError("\(source): unknown column \(name); there are \(SettingColumn.all.map(\.name).joined(separator: ", "))")
            }
            return column
        }
        figure = try file.take(string: "figure").map { [source = file.source] name in
            guard let kind = FigureKind(rawValue: name) else {
                throw RecipeError(
                    "\(source): figure must be one of \(FigureKind.allCases.map(\.rawValue).joined(separator: ", ")), not \(name)")
            }
            return kind
        }
        cells = try need(try file.take(strings: "cells"), "cells")
        comparisons = try file.take(stringLists: "comparisons")
        try file.expectEmpty(allowed: "title, columns, cells, comparisons, figure")
        if let twice = cells.first(where: { cell in cells.filter { $0 == cell }.count > 1 }) {
            throw RecipeError("\(file.source): the cell \(twice) is listed twice")
        }
        for pair in comparisons where pair.count != 2 || !pair.allSatisfy(cells.contains) {
            throw RecipeError("\(file.source): a comparison is two of the table's cells, not \(pair.joined(separator: ", "))")
        }
    }
}
