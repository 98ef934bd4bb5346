// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Experiments
import Foundation
import Reporting
import TestSupport
import Testing
import Training

/// A setting that a table is to show costs its key in `Recipe.swift` and its name in the table's file (Documentation/AddingASetting.md):
/// rows keep it, files have a column for it, and tables show it. Here with `scaling`, which no committed table shows.
@Suite struct ShownSettingTests {
    private func experimentFolder(_ folder: TemporaryFolder) throws -> ExperimentFolder {
        try FileManager.default.copyItem(atPath: experiments, toPath: folder.path + "/E")
        let table = try String(contentsOfFile: experiments + "/table1.yaml", encoding: .utf8)
        let shown = table.replacingOccurrences(of: "columns: [network, bits, method]", with: "columns: [network, bits, method, scaling]")
        try #require(shown != table)
        _ = try folder.write(shown, to: "E/table1.yaml")
        return ExperimentFolder(folder.path + "/E")
    }

    @Test func everyTableMayShowEverySetting() throws {
        let folder = try TemporaryFolder(), changed = try experimentFolder(folder)
        #expect(try changed.shownSettings(.smallImages).contains(.scaling))
        #expect(try !ExperimentFolder(experiments).shownSettings(.smallImages).contains(.scaling))
        for key in Recipe.Key.allCases where key != .epochs {
            _ = try folder.write("title: t\ncolumns: [bits, \(key.rawValue)]\ncells: [a]\n", to: "t.yaml")
            let table = try ExperimentTable("t", folder: folder.path)
            #expect(table.columns == [.bits, .setting(key)])
            let run = try row(showing: [key]),
                shown = ResultsTable([run], columns: table.columns, cells: [run.condition.cell], comparisons: []) { _ in nil }
            #expect(shown.accuracies.rows[0][1] == (run.condition[key] ?? "–"), "\(key.rawValue)")
        }
        for (columns, words) in [("colour", "unknown column colour; there are bits, network, method"), ("epochs", "unknown column epochs")]
        {
            _ = try folder.write("title: t\ncolumns: [\(columns)]\ncells: [a]\n", to: "t.yaml")
            let error = #expect(throws: RecipeError.self) { try ExperimentTable("t", folder: folder.path) }
            #expect(error?.description.contains("t.yaml: \(words)") == true, "\(error?.description ?? "")")
        }
    }

    /// Kept in a column of its own before the last one, which files without such rows do not have; of rows from before, nothing is known.
    @Test func rowsKeepWhatIsShown() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/runs.csv"
        try RunRow.record([try row(seed: 1)], in: path)
        let before = try String(contentsOfFile: path, encoding: .utf8)
        #expect(!before.contains("scaling"))
        let float = try cell("resnet20-float", like: "resnet20-float")
        var floatRow = try row(seed: 3)
        floatRow.condition = Condition(float, on: floatRow.condition.dataset, .smoke, .f32, showing: [.scaling])
        try RunRow.record([try row(seed: 2, showing: [.scaling]), floatRow], in: path)
        let table = try CSVTable(contentsOf: path)
        #expect(table.header == RunRow.columns.dropLast() + ["scaling", "how"])
        #expect(table.rows.indices.map { table[$0, "scaling"] } == ["", "per-layer", ""])
        let rows = try RunRow.read(from: path)
        #expect(rows.map { $0.condition[.scaling] } == [nil, "per-layer", nil] && RunRow.table(rows) == table)
        for (old, new, words) in [
            ("per-layer", "per-image", "row 2, scaling: expected one of per-layer, per-channel"),
            (",,\"reproduce", ",per-layer,\"reproduce", "row 3, scaling: expected one of nothing")
        ] {
            let good = try String(contentsOfFile: path, encoding: .utf8), lines = good.split(separator: "\n").map(String.init)
            let index = new == "per-image" ? 2 : 3
            let edited =
                lines.enumerated().map { $0 == index ? $1.replacingOccurrences(of: old, with: new) : $1 }.joined(separator: "\n") + "\n"
            try #require(edited != good)
            try Data(edited.utf8).write(to: URL(fileURLWithPath: path))
            #expect { try RunRow.read(from: path) } throws: { "\($0)".contains(words) }
            try Data(good.utf8).write(to: URL(fileURLWithPath: path))
        }
    }

    /// Committed rows, which know nothing of the setting, stand in a table that shows it as their cells have it.
    @Test func earlierRowsAreCompletedByTheirCells() throws {
        let folder = try TemporaryFolder(), changed = try experimentFolder(folder)
        let lines = try String(contentsOfFile: package + "/results/runs.csv", encoding: .utf8).split(separator: "\n")
        _ = try folder.write(
            ([lines[0]] + lines.filter { $0.contains(",brief,1,") && $0.contains("resnet20") && $0.contains(",f32,") }).joined(
                separator: "\n") + "\n", to: "out/runs.csv")
        try ResultFiles(OutputFolder(folder.path + "/out"), experiments: changed).write()
        let table = try String(contentsOfFile: folder.path + "/out/tables/table1.md", encoding: .utf8)
        #expect(
            table.contains("| Network  | Bits   | Method | Scaling   |") && table.contains("| resnet20 | 1W4A   | bcgd   | per-layer |"),
            "\(table.prefix(900))")
        #expect(table.contains("| resnet20 | 32W32A | float  | –         |"))
    }
}
