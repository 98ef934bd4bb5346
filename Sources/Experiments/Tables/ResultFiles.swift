// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Reporting
import Training

/// All tables and figures of an output folder, made from its CSVs, `runs/` and the layouts in `Experiments/` alone:
///
///     tables/table1.csv  table1.md  table1-SECTION.tex  table1-SECTION-{differences,images}.tex   and likewise table2, figure2
///     regress/intervals.csv, where there is regress/seeds.csv
///     figures/figure1-SECTION.{gp,svg,png}  …-K.csv   figures/figure2-SECTION…   figures/figure3…  figure5…  figure7…  hero… (README.md)
///     paper/…                                          what the report in Paper/ includes (`PaperFiles`)
///     README.md                                        the tables and figures of all sections but those of protocol smoke
///     index.html                                       all of it for a browser (`ResultsPage`)
///     MANIFEST                                         all of these (`Manifest`)
public struct ResultFiles {
    /// Path in the folder, and content.
    private(set) var texts: [(path: String, text: String)] = []
    private(set) var figures: [Figure] = []
    /// What the package's README says between its marks: the first table of protocol `paper`, or of the longest one that there is.
    public private(set) var readme = ""
    private let folder: String

    /// - Throws: `FileError` and `RecipeError` for rows, layouts and other inputs that are damaged or do not fit together.
    public init(_ output: OutputFolder, experiments: ExperimentFolder) throws {
        folder = output.path
        var rows = try output.rows()
        let subjects = Subject.allCases.filter { subject in
            subject == .smallImages || rows.contains { Subject($0.condition.dataset) == subject }
        }
        let layouts = try subjects.flatMap { subject in try experiments.tables(subject).map { (subject: subject, table: $0) } }
        figures += [
            try quantizedReLUFigure(name: "figure3"), try weightQuantizerFigure(name: "figure5"),
            try comparisonQuantizerFigure(name: "figure7")
        ]
        if FileManager.default.fileExists(atPath: "\(folder)/regress/seeds.csv") {
            let recorded = try RegressionSamples(contentsOf: "\(folder)/regress/seeds.csv")
            let test = RegressionTest(statistics: recorded.statistics.count)
            texts.append(("regress/intervals.csv", recorded.intervals(test, newSeeds: RegressionCheck.standardSeeds).text))
        }
        try RunCheck(experiments, output).complete(&rows)
        if let hero = try HeroFigure(output, rows) { figures.append(hero.figure(named: "hero")) }
        let reported = try experiments.reported()
        var pages: [String: [(section: Section, text: String)]] = [:], blocks: [RunProtocol: String] = [:]
        var paper = PaperFiles(), tables: [(title: String, table: ResultsTable)] = []
        for section in Section.all(of: rows) {
            let subject = Subject(section.dataset)
            let known = try Set(experiments.cells(subject, section.runProtocol).cells.map(\.name))
            let runs = rows.filter { Section($0) == section }
            var (parts, shown, drawn) = ([String](), Set<String>(), [Set<String>]())
            paper.begin(section, isSmoke: section.runProtocol == .smoke)
            for (_, layout) in layouts.filter({ $0.subject == subject }) {
                let table = try ResultsTable(
                    runs, columns: layout.columns, cells: layout.cells.filter(known.contains), comparisons: layout.comparisons,
                    reported: reported, outcomes: output.outcomes)
                // Shared cells alone, all of them in an earlier table, make no table or sweep of their own; nor curves, in an earlier
                // figure.
                let names = Set(table.groups.map(\.condition.cell))
                guard !names.isEmpty, layout.isCurves ? !drawn.contains(where: names.isSubset) : !names.isSubset(of: shown) else {
                    continue
                }
                if layout.isCurves { drawn.append(names) } else { shown.formUnion(names) }
                let name = "\(layout.name)-\(section.slug)", title = "\(layout.title), \(section.title)"
                let figure = try layout.figure?.figure(named: name, title: title, table.groups, output)
                if !layout.isCurves {
                    pages[layout.name, default: []].append(
                        (section, "## \(escapedForMarkdown(section.title))\n\n\(section.caution)\(table.markdown)"))
                    texts += [("", table.latex), ("-differences", table.differences?.latex), ("-images", table.images?.latex)].compactMap {
                        part, text in
                        text.map { ("tables/\(name)\(part).tex", Self.mark("%", "") + $0) }
                    }
                    paper.add(table, title: title, name: name)
                    tables.append((title, table))
                    parts.append("**\(escapedForMarkdown(title))**\n\n\(section.caution)\(table.markdown)")
                }
                if let figure {
                    figures.append(figure)
                    paper.addFigure(title: title, file: "figures/\(name).png")
                    parts.append("![\(escapedForMarkdown(title))](figures/\(name).png)\n")
                }
            }
            blocks[section.runProtocol, default: ""] += parts.map { $0 + "\n" }.joined()
        }
        for (index, (_, layout)) in layouts.enumerated() where !layouts[..<index].contains(where: { $0.table.name == layout.name }) {
            guard let sections = pages[layout.name] else { continue }
            let shown = layouts.filter { $0.table.name == layout.name }.flatMap(\.table.cells)
            let runs = rows.filter { run in shown.contains(run.condition.cell) && sections.contains { $0.section == Section(run) } }
            texts.append(("tables/\(layout.name).csv", RunRow.table(runs).text))
            let sources = ResultsTable.notes + "\n## Where each run came from\n\n" + ResultsTable.provenance(runs).markdown
            let body = ["# \(escapedForMarkdown(layout.title))"] + sections.map(\.text) + [sources]
            texts.append(("tables/\(layout.name).md", Self.mark("<!--", " -->") + body.joined(separator: "\n\n")))
        }
        texts += try paper.texts(rows, output: output, experiments: experiments).map {
            ("paper/\($0.name).tex", Self.mark("%", "") + $0.text)
        }
        texts.append((ResultsPage.name, try ResultsPage(output, rows).text(tables: tables, isLive: false)))
        blocks[.smoke] = nil
        let shown = RunProtocol.longestFirst.compactMap { blocks[$0] }.joined()
        if !shown.isEmpty { texts += try overview("# Results\n\n" + shown + ResultsTable.notes) }
        let first = RunProtocol.longestFirst.dropLast().lazy.compactMap { length in
            tables.first { $0.table.groups.first?.condition.runProtocol == length }
        }.first
        readme = first.map { "**\(escapedForMarkdown($0.title))**\n\n\($0.table.brief)" } ?? "No run longer than `smoke` is here yet.\n"
        for run in rows where !layouts.contains(where: { $0.table.cells.contains(run.condition.cell) }) {
            note("\(run.name) is in no table: no layout in \(experiments.path) lists \(run.condition.cell)")
        }
    }

    /// By their paths in the folder.
    private var pictures: [String] { figures.flatMap(\.pictures).map { "figures/\($0)" } }
    private var inputs: [(path: String, text: String)] { texts + figures.flatMap(\.inputs).map { ("figures/\($0.file)", $0.text) } }
    private var made: Set<String> { Set(inputs.map(\.path) + pictures) }

    /// Writes all of it, draws the figures, and removes what earlier reports made and this one does not.
    public func write() throws {
        let earlier = try Manifest(of: folder)
        for part in ["tables", "paper"] { try makeFolder("\(folder)/\(part)") }
        for (path, text) in texts { try writeAtomically(Data(text.utf8), to: "\(folder)/\(path)") }
        let gnuplot = try Gnuplot()
        for figure in figures { try gnuplot.draw(figure, in: "\(folder)/figures") }
        for path in earlier.leftOver(besides: made) {
            if earlier.isUnchanged(path) {
                try FileManager.default.removeItem(atPath: "\(folder)/\(path)")
            } else {
                note("\(folder)/\(path) was made by an earlier report and changed since: it stays, and is yours now")
            }
        }
        try Manifest(listing: made, in: folder).write()
    }

    /// The files that `write` would change; a picture's bytes depend on gnuplot's version, so it only has to be whole and what
    /// `write` drew.
    public func drift() throws -> [String] {
        let manifest = try Manifest(of: folder)
        let stale = inputs.filter { FileManager.default.contents(atPath: "\(folder)/\($0.path)") != Data($0.text.utf8) }.map(\.path)
        let damaged = pictures.filter { !isWholePicture("\(folder)/\($0)") || (manifest.lists($0) && !manifest.isUnchanged($0)) }
        let left = manifest.leftOver(besides: made).filter(manifest.isUnchanged)
        let changed = stale + damaged + left
        let isCurrent = manifest.paths == made && inputs.allSatisfy { manifest.isUnchanged($0.path) }
        return (changed.isEmpty && !isCurrent ? [Manifest.name] : changed).map { "\(folder)/\($0)" }
    }

    /// `README.md` of the folder, unless it holds another one.
    private func overview(_ text: String) throws -> [(path: String, text: String)] {
        let (name, mark) = ("README.md", Self.mark("<!--", " -->")), path = "\(folder)/\(name)"
        let isOwn = FileManager.default.fileExists(atPath: path) ? try readText(path).hasPrefix(mark) : true
        guard isOwn else {
            note("\(path) was not made by a report: it stays")
            return []
        }
        return [(name, mark + text)]
    }

    private static func mark(_ open: String, _ close: String) -> String { "\(open) made by reproduce report\(close)\n" }
}

extension ExperimentTable {
    /// Validation curves of cells that a table shows, too.
    fileprivate var isCurves: Bool { figure == .curves }
}

extension FigureKind {
    /// The figure of a section; `nil` where its runs give none.
    fileprivate func figure(named name: String, title: String, _ groups: [RunGroup], _ output: OutputFolder) throws -> Figure? {
        switch self {
        case .curves:
            let curves = try groups.map { group in
                let runs = try group.runs.compactMap(output.validation)
                let seeds = runs.count == 1 ? "1 seed" : "mean and range of \(runs.count) seeds"
                return ValidationCurve(label: "\(group.condition.cell), \(group.precision.rawValue), \(seeds)", runs: runs)
            }.filter { !$0.points.isEmpty }
            guard let images = groups.first?.condition.dataset.evaluatedImages, !curves.isEmpty else { return nil }
            return validationCurveFigure(name: name, title: title, images: images, curves: curves)
        case .sweep:
            let names = groups.map { "\($0.condition.network) \($0.condition.bits), \($0.precision.rawValue)" }
            let series = names.uniqued().map { label in
                let members = zip(names, groups).filter { $0.0 == label && $0.1.divergedEpoch == nil }.map(\.1)
                return (label: label, groups: members.sorted { $0.condition.blending ?? 0 < $1.condition.blending ?? 0 })
            }.filter { Set($0.groups.map(\.condition.blending)).count > 1 && !$0.groups.contains { $0.condition.blending == nil } }
            return series.isEmpty ? nil : blendingFigure(name: name, title: title, series: series)
        }
    }
}

extension Section {
    /// What must be said before the numbers.
    fileprivate var caution: String {
        dataset.isPart
            ? "A stand-in: some classes, not ImageNet's 1000, so these numbers are not to be compared with published ones.\n\n" : ""
    }
}
