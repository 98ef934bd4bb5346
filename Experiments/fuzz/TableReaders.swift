// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Files
import Foundation
import Reporting

extension Reader {
    static let tables = [
        Reader(name: "text", about: "UTF-8 text and its lines") { folder in
            let seeds = ["a\nb\r\nc\rd", "\u{feff}é\n\n\u{2028}\u{85}", ""].map { Seed(text: $0) }
            return Session(seeds: seeds) { input, _ in
                try write(input, "\(folder)/text.txt")
                let text = try readText("\(folder)/text.txt"), lines = lines(of: text)
                let isMarked = input.starts(with: [0xef, 0xbb, 0xbf])
                try need(Array(text.utf8) == Array(input.dropFirst(isMarked ? 3 : 0)), "the text has other bytes")
                // By bytes: a line ends at LF, or at CR that no LF follows; what comes after the last end counts when it is not empty.
                let bytes = Array(text.utf8),
                    ends = bytes.indices.count { bytes[$0] == 10 || bytes[$0] == 13 && !bytes[($0 + 1)...].starts(with: [10]) }
                try need(
                    lines.count == ends + (bytes.last.map { $0 != 10 && $0 != 13 } ?? false ? 1 : 0),
                    "\(lines.count) lines after \(ends) ends")
                try need(lines.allSatisfy { !$0.utf8.contains(10) && !$0.utf8.contains(13) }, "a line has an end within")
                try need(lines.reduce(0) { $0 + $1.utf8.count } == bytes.count { $0 != 10 && $0 != 13 }, "characters are lost")
            }
        },
        Reader(name: "csv", about: "a CSV table; it is written and read again") { _ in
            let seeds = ["a,b,c\n1,\"x,\"\"y\"\"\",\n2,,é\n", "name\r\n\"two\r\nlines\"\r\n\" \"\r\n", "\u{feff}one,two\n1,2", "a\n\"\"\n"]
                .map { Seed(text: $0) }
            return Session(seeds: seeds) { input, _ in
                guard let text = String(validating: input, as: UTF8.self) else { throw FileError("no UTF-8") }
                let table = try CSVTable(parsing: text, name: "input")
                try need(table.rows.allSatisfy { $0.count == table.header.count }, "a row of another width")
                try need(try CSVTable(parsing: table.text, name: "again") == table, "it reads otherwise after it was written")
            }
        },
        Reader(name: "runs", about: "runs.csv; its rows are written and read again, and shown in every table that shows runs") { folder in
            let path = "\(folder)/runs.csv"
            return Session(seeds: try runSeeds()) { input, _ in
                try write(input, path)
                let rows = try RunRow.read(from: path)
                try RunRow.table(rows).write(to: path)
                let again = try RunRow.read(from: path)
                try need(RunRow.table(again).text == RunRow.table(rows).text, "it reads otherwise after it was written")
                for row in rows {
                    try need(
                        (0...100).contains(row.top1Final ?? 0) && row.name.count > 0, "\(row.name): \(String(describing: row.top1Final)) %")
                }
                for section in Section.all(of: rows) {
                    let runs = rows.filter { Section($0) == section }, names = Set(runs.map(\.condition.cell)).sorted()
                    let table = ResultsTable(
                        runs, columns: SettingColumn.all, cells: names, comparisons: names.dropFirst().map { [names[0], $0] },
                        outcomes: { _ in nil })
                    try need((table.markdown + table.latex).count > 0 && section.slug.count > 0, "an empty table")
                }
                try need(ResultsTable.provenance(rows).markdown.count > 0, "no table")
            }
        },
        Reader(name: "seeds", about: "regress/seeds.csv; its intervals are computed") { folder in
            let path = "\(folder)/seeds.csv"
            let lines = lines(of: try readText("results/regress/seeds.csv")).map {
                $0.split(separator: ",", omittingEmptySubsequences: false).prefix(14).joined(separator: ",")
            }
            let seeds = [lines.prefix(3), lines.prefix(13)].map { Seed(text: $0.joined(separator: "\n") + "\n") }
            return Session(seeds: seeds) { input, _ in
                try write(input, path)
                let samples = try RegressionSamples(contentsOf: path)
                try need(samples.samples.allSatisfy { $0.values.count == samples.statistics.count }, "a row of another width")
                try samples.table.write(to: path)
                let again = try RegressionSamples(contentsOf: path)
                try need(again.samples.map(\.seed) == samples.samples.map(\.seed), "other seeds after it was written")
                _ = samples.intervals(RegressionTest(statistics: samples.statistics.count), newSeeds: 3).text
            }
        },
        Reader(name: "reported", about: "Experiments/reported.csv") { folder in
            let seeds = [
                Seed(text: try readText("Experiments/reported.csv")),
                Seed(text: "id,quantity,value,unit,kind,source\na/b,\"top-1, %\",64.36,%,primary,\"[A], table 1\"\n")
            ]
            return Session(seeds: seeds) { input, _ in
                try write(input, "\(folder)/reported.csv")
                let values = try ReportedValues(contentsOf: "\(folder)/reported.csv").values
                try need(values.allSatisfy { $0.value.isFinite && !$0.id.isEmpty }, "a value without a number or a name")
            }
        },
        Reader(name: "outcomes", about: "runs/RUN/correct.txt of a run on ten images") { folder in
            let path = "\(folder)/run.txt", run = try tenImages()
            return Session(seeds: ["f80\n", "F80", "01f\r\n"].map { Seed(text: $0) }) { input, _ in
                try write(input, path)
                let outcomes = try ImageOutcomes(contentsOf: path, of: run)
                try need(outcomes.correct.count == 10 && outcomes.correct.count { $0 } == 5, "\(outcomes.correct)")
                try outcomes.write(to: path)
                try need(try ImageOutcomes(contentsOf: path, of: run) == outcomes, "it reads otherwise after it was written")
            }
        },
        Reader(name: "theory", about: "theory.csv and theory-power.csv; the report's tables are made of them") { _ in
            let claims =
                TheoryTables.columns.joined(separator: ",") + "\nA,α > 0,Lemma 1,Monte Carlo,3,0.5,1e-3,holds,x = 1,abc,verify-theory\n"
            let faults = "claim,fault,caught\nA,sign,yes\n"
            return Session(seeds: [Seed(text: claims), Seed(text: faults)]) { input, index in
                guard let text = String(validating: input, as: UTF8.self) else { throw FileError("no UTF-8") }
                let table = try CSVTable(parsing: text, name: "input"), isClaims = index % 2 == 0
                guard (isClaims ? TheoryTables.columns : ["claim", "caught"]).allSatisfy(table.header.contains) else {
                    throw FileError("a column is missing")
                }
                let tables = TheoryTables(
                    claims: isClaims ? table : try CSVTable(parsing: claims, name: "claims"), faults: isClaims ? nil : table)
                try need((tables.verdicts + tables.findings).count > 0 && !tables.numbers.isEmpty, "no tables")
            }
        }
    ]

    /// Rows of every kind: float and quantized, on other data sets, with top-5, diverged.
    private static func runSeeds() throws -> [Seed] {
        let table = try CSVTable(contentsOf: "results/runs.csv")
        func row(_ fits: (Int) -> Bool) -> [[String]] { table.rows.indices.first(where: fits).map { [table.rows[$0]] } ?? [] }
        let diverged = row { !table[$0, "top1_final"].isEmpty && table[$0, "top5_final"].isEmpty }.map { fields in
            zip(table.header, fields).map {
                ["top1_final", "ci95_low", "ci95_high", "top1_best"].contains($0) ? "" : $0 == "seed" ? "77" : $1
            }
        }
        let some = Array(table.rows.prefix(3)),
            all = some + row { !table[$0, "top5_final"].isEmpty } + row { table[$0, "dataset"] != "CIFAR-10" } + diverged
        return [some, all, []].map { Seed(text: CSVTable(header: table.header, rows: $0).text) }
    }

    private static func tenImages() throws -> RunRow {
        guard let cell = try ExperimentCells(.smoke, folder: "Experiments").cells.first else { throw FileError("no cell") }
        return RunRow(
            condition: Condition(cell, on: DatasetID("data"), .smoke, .f32), seed: 1, epochs: 3, testImages: 10, correctFinal: 5,
            correctBest: 5,
            reportedIn: try ReportedValues(contentsOf: "Experiments/reported.csv"),
            provenance: RunProvenance(
                seconds: 1, threads: 1, commit: "abc", recipe: "paper", recipeDigest: "0123abcd", dataOrigin: .official, how: "by hand"))
    }
}
