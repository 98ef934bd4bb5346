// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation
import Reporting
import Training

/// `index.html` of an output folder: its tables, runs, learning curves, theory and benchmarks in one page for a browser.
///
/// A report writes it, and a training after every epoch; then it says which runs are on and loads itself anew.
struct ResultsPage {
    static let name = "index.html"
    private let output: OutputFolder
    private let rows: [RunRow]

    /// - Parameter rows: completed, as `RunCheck` does.
    init(_ output: OutputFolder, _ rows: [RunRow]) { (self.output, self.rows) = (output, rows) }

    /// - Parameters:
    ///   - tables: those of the paper, one for each section; none while a training is on.
    ///   - isLive: whether runs may be under way, which changes with the time.
    func text(tables: [(title: String, table: ResultsTable)], isLive: Bool) throws -> String {
        let unfinished = try UnfinishedRun.all(in: output, besides: rows, isLive: isLive)
        var page = Page(
            "Blended coarse gradient descent: what was measured",
            introduction: "Top-1 after the last epoch is the result; “best on test” was picked on the test images and is none. "
                + "Every number opens its command, commit, seed, data and recipe.",
            refresh: unfinished.contains { $0.holder != nil } ? 30 : nil)
        if !unfinished.isEmpty { page.add(isLive ? "Under way" : "Unfinished runs", .joined(unfinished.map(\.html))) }
        if !tables.isEmpty { page.add("Tables", .joined(Self.longestFirst(tables).map(Self.html) + Self.notes)) }
        if !rows.isEmpty { page.add("All runs", try allRuns) }
        let curves = try self.curves(unfinished)
        if !curves.isEmpty { page.add("Learning curves", .joined(curves)) }
        let layers = try diagnostics(of: rows.map(\.name) + unfinished.map(\.name))
        if !layers.isEmpty { page.add("Layers", .joined(layers)) }
        for (title, parts) in try [("Theory", theory), ("Benchmarks", benchmarks)] where !parts.isEmpty { page.add(title, .joined(parts)) }
        return page.text
    }

    /// While a training is on: from the rows as they are.
    static func writeLive(_ output: OutputFolder) throws { try write(output, isLive: true) }

    /// After a training that left no row: the page there says that runs are under way.
    static func writeStopped(_ output: OutputFolder) throws {
        if FileManager.default.fileExists(atPath: output.page) { try write(output, isLive: false) }
    }

    private static func write(_ output: OutputFolder, isLive: Bool) throws {
        let text = try ResultsPage(output, output.rows()).text(tables: [], isLive: isLive)
        try writeAtomically(Data(text.utf8), to: output.page)
    }

    // MARK: Tables

    private static func longestFirst(_ tables: [(title: String, table: ResultsTable)]) -> [(title: String, table: ResultsTable)] {
        RunProtocol.longestFirst.flatMap { length in tables.filter { $0.table.groups.first?.condition.runProtocol == length } }
    }

    private static func html(_ title: String, _ table: ResultsTable) -> HTML {
        let further = [("differences over seeds", table.differences), ("image by image", table.images)]
        let absent = table.missing.isEmpty ? [] : [HTML.paragraph("Without a run: \(table.missing.joined(separator: ", ")).")]
        return .joined(
            [.table(title, table.shortAccuracies)] + absent
                + further.compactMap { name, part in part.map { .table("\(title): \(name)", $0) } })
    }

    private static var notes: [HTML] { ResultsTable.notes.split(separator: "\n").map { .paragraph(String($0)) } }

    private var allRuns: HTML {
        get throws {
            let header = [
                "Data set", "Protocol", "Network", "Bits", "Method", "Cell", "Precision", "Seed", "Epochs", "Top-1, % [95 %]",
                "Best on test (no result), %", "Reported, %"
            ]
            let table = TextTable(
                header: header,
                rows: rows.map { run in
                    let condition = run.condition, top1 = run.top1.map { twoDecimals($0.value, $0.interval) }
                    return [
                        "\(condition.dataset)", condition.runProtocol.rawValue, condition.network, condition.bits,
                        condition.method.rawValue, condition.cell,
                        condition.precision.rawValue, "\(run.seed)", "\(run.epochs)" + (top1 == nil ? ", then diverged" : ""), top1 ?? "–",
                        twoDecimals(run.top1Best), twoDecimals(run.reported)
                    ]
                })
            return .table(
                "Runs; the interval is over test images like these", table, last: try rows.map(source), lastTitle: "Source",
                filters: ["Data set", "Protocol", "Network", "Bits", "Method", "Precision"])
        }
    }

    /// Where a number comes from.
    private func source(_ run: RunRow) throws -> HTML {
        let facts = run.provenance, recipe = output.recipe(facts.recipeDigest)
        let settings = FileManager.default.fileExists(atPath: recipe) ? [("settings", try readText(recipe))] : []
        return .details(
            "source",
            [
                ("run", run.name), ("command", facts.how), ("commit", facts.commit), ("seed", "\(run.seed)"),
                ("threads", "\(facts.threads)"),
                ("data", facts.dataOrigin.rawValue), ("\(run.condition.dataset.evaluatedImages) images", "\(run.testImages)"),
                ("seconds", String(format: "%.0f", facts.seconds)),
                ("recipe", "\(facts.recipe), digest \(facts.recipeDigest)"), ("reported", run.reportedSource)
            ] + settings)
    }

    // MARK: Curves

    /// One chart for each data set, protocol and network.
    private func curves(_ unfinished: [UnfinishedRun]) throws -> [HTML] {
        let finished = try RunGroup.all(of: rows).map { group in
            let runs = try group.runs.compactMap { run in try output.validation(run).map { (run.seed, $0) } }
            return (
                chart: "\(group.condition.network), \(Section(group.first).title)", images: group.condition.dataset.evaluatedImages,
                curve: ValidationCurve(label: Self.label(group, seeds: runs.map(\.0)), runs: runs.map(\.1))
            )
        }
        let others = unfinished.map {
            (chart: "Unfinished runs", images: $0.evaluatedImages, curve: ValidationCurve(label: $0.name, runs: [$0.accuracies]))
        }
        let all = (finished + others).filter { !$0.curve.points.isEmpty }
        return all.map(\.chart).uniqued().map { chart in
            let members = all.filter { $0.chart == chart }, images = members.map(\.images).uniqued()
            return .chart(chart, unit: "\(images.joined(separator: " or ")) top-1, %", members.map(\.curve))
        }
    }

    private static func label(_ group: RunGroup, seeds: [UInt64]) -> String {
        "\(group.condition.cell), \(group.precision.rawValue), "
            + (seeds.count == 1 ? "seed \(seeds[0])" : "mean and range of \(seeds.count) seeds")
    }

    /// Charts of what quantization does to the layers, for each run that kept it (`--diagnostics`).
    private func diagnostics(of runs: [String]) throws -> [HTML] {
        try runs.compactMap { run in
            guard let table = try DiagnosticsTable(output.diagnostics(run)) else { return nil }
            let charts = DiagnosticsTable.quantities.compactMap { quantity in
                let curves = table.curves(quantity)
                return curves.isEmpty ? nil : HTML.chart(quantity.title, unit: quantity.title, digits: 4, curves)
            }
            return charts.isEmpty ? nil : .disclosure(run, charts)
        }
    }

    // MARK: Theory and benchmarks

    private var theory: [HTML] {
        get throws {
            guard let claims = try CSVTable.ifPresent("\(output.path)/theory/theory.csv", columns: TheoryTables.columns) else { return [] }
            let table = TextTable(
                header: ["Claim", "Statement", "Verdict", "Tests", "Adjusted p", "Detects"],
                rows: claims.rows.indices.map { row in
                    ["claim", "statement", "verdict", "tests", "smallest_adjusted_p", "detects"].map { claims[row, $0] }
                })
            let sources = claims.rows.indices.map { row in
                HTML.details("source", ["source", "method", "measured", "commit", "how"].map { ($0, claims[row, $0]) })
            }
            return [.table("Claims on trial", table, last: sources, lastTitle: "Source")] + (try pictures("theory/figures"))
        }
    }

    private var benchmarks: [HTML] {
        get throws {
            let training = try CSVTable.ifPresent("\(output.path)/benchmarks/training.csv", columns: BenchmarkTables.trainingColumns).map {
                csv in
                [HTML.table("Training steps, timed in turns", BenchmarkTables.training(csv))] + command(csv)
            }
            let columns = ["network", "batch", "threads", "engine", "configuration", "median_ms", "over_ours", "processor"]
            let inference = try CSVTable.ifPresent("\(output.path)/benchmarks/inference.csv", columns: columns).map { csv in
                let table = TextTable(
                    header: ["Network", "Batch", "Threads", "Engine", "Configuration", "Median ms", "Times ours", "Processor"],
                    rows: csv.rows.indices.map { row in columns.map { csv[row, $0] } })
                return [HTML.table("Inference, timed in turns", table, filters: ["Network", "Batch", "Threads", "Engine"])] + command(csv)
            }
            let parts = (training ?? []) + (inference ?? [])
            return parts.isEmpty ? [] : parts + (try pictures("benchmarks"))
        }
    }

    private func command(_ csv: CSVTable) -> [HTML] {
        guard csv.header.contains("how"), csv.header.contains("commit"), !csv.rows.isEmpty else { return [] }
        let commands = csv.rows.indices.map { "\(csv[$0, "how"])   (commit \(csv[$0, "commit"]))" }
        return [
            .details(
                "source",
                [("commands", commands.uniqued().joined(separator: "\n"))])
        ]
    }

    private func pictures(_ part: String) throws -> [HTML] {
        let folder = "\(output.path)/\(part)"
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".png") }.sorted()
        return try names.map { name in
            let title = String(name.dropLast(4)).replacing("_", with: " ")
            return .picture(
                png: try readFile("\(folder)/\(name)"), caption: title,
                alternative: "Figure: \(title); its numbers are in CSVs in the folder \(part)")
        }
    }
}
