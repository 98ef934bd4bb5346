// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Datasets
import Reporting
import Training

/// What the report in `Paper/` includes from `results/paper/`: indices of the tables and figures that there are, tables of
/// recipes, coverage and provenance, and the numbers of its prose. The commands `\result…` are defined in `Paper/bcgd.tex`.
struct PaperFiles {
    private var runs = ""
    private var smoke = ""
    private var isSmoke = false

    private mutating func append(_ command: String, _ arguments: String...) {
        let line = "\\\(command)" + arguments.map { "{\($0)}" }.joined() + "\n"
        if isSmoke { smoke += line } else { runs += line }
    }

    /// What is added from now on belongs to this section.
    mutating func begin(_ section: Section, isSmoke: Bool) {
        self.isSmoke = isSmoke
        append("resultsection", escapedForLaTeX(section.title))
    }

    /// - Parameter name: of the table's file in the output folder, without its ending.
    mutating func add(_ table: ResultsTable, title: String, name: String) {
        let title = escapedForLaTeX(title)
        append("resulttable", title, "tables/\(name)")
        if !table.missing.isEmpty { append("resultmissing", escapedForLaTeX(table.missing.joined(separator: ", "))) }
        if table.differences != nil { append("resulttable", "\(title): differences over seeds", "tables/\(name)-differences") }
        if table.images != nil { append("resulttable", "\(title): image by image", "tables/\(name)-images") }
    }

    /// - Parameter file: in the output folder.
    mutating func addFigure(title: String, file: String) { append("resultfigure", escapedForLaTeX(title), file) }

    /// All files, by name without ending.
    func texts(_ rows: [RunRow], output: OutputFolder, experiments: ExperimentFolder) throws -> [(name: String, text: String)] {
        let theory = try Self.theory(output.path)
        let protocols = try [RunProtocol.brief, .short, .paper].map { try experiments.cells(.smallImages, $0) }
        let quantized = Self.recipe("resnet20-1w4a-bcgd", protocols[2])
        return [
            ("runs", runs), ("smoke", smoke),
            ("notes", ResultsTable.notes.split(separator: "\n").map { escapedForLaTeX(String($0)) + "\n\n" }.joined()),
            ("coverage", Self.coverage(rows, protocols)), ("reported", Self.reported(rows, try experiments.reported().values)),
            ("provenance", Self.provenance(rows)), ("schedules", Self.schedules(protocols)),
            ("recipes", Self.recipes(protocols[2])), ("benchmarks", try Self.benchmarks(output.path)),
            ("macros", Self.macros(Self.numbers(rows, quantized) + (theory?.numbers ?? [])))
        ] + (theory.map { [("theory-verdicts", $0.verdicts), ("theory-refuted", $0.refuted), ("theory-findings", $0.findings)] } ?? [])
    }

    // MARK: Theory

    private static func theory(_ folder: String) throws -> TheoryTables? {
        guard let claims = try CSVTable.ifPresent("\(folder)/theory/theory.csv", columns: TheoryTables.columns) else { return nil }
        let faults = try CSVTable.ifPresent("\(folder)/theory/theory-power.csv", columns: ["claim", "caught", "commit", "how"])
        // Another run's, as programs before this one left them, say nothing of these claims.
        func origin(_ table: CSVTable) -> [String] { table.rows.isEmpty ? [] : [table[0, "commit"], table[0, "how"]] }
        return TheoryTables(claims: claims, faults: faults.flatMap { origin($0) == origin(claims) ? $0 : nil })
    }

    // MARK: Runs

    /// Seeds with a run on CIFAR-10 that came to its end or diverged, by cell and protocol.
    private static func coverage(_ rows: [RunRow], _ protocols: [ExperimentCells]) -> String {
        let names = protocols.flatMap(\.cells).map(\.name).uniqued()
        func seeds(_ cell: String, _ runProtocol: RunProtocol) -> String {
            let found = rows.filter {
                $0.condition.cell == cell && $0.condition.runProtocol == runProtocol && $0.condition.dataset == KnownDataset.cifar10.id
            }
            let precisions = Dictionary(grouping: found, by: \.condition.precision.rawValue).sorted { $0.key < $1.key }
            return precisions.isEmpty ? "–" : precisions.map { "\($0.key): \($0.value.count)" }.joined(separator: ", ")
        }
        return latexTable(
            header: ["Cell"] + protocols.map(\.runProtocol.rawValue),
            rows: names.map { name in [name] + protocols.map { seeds(name, $0.runProtocol) } }, overPages: true)
    }

    /// The published numbers at hand, and ours where there is one.
    private static func reported(_ rows: [RunRow], _ values: [ReportedValue]) -> String {
        let groups = RunGroup.all(of: rows)
        return latexTable(
            header: ["Cell", "Quantity", "Reported", "Kind", "Source", "Measured here"],
            rows: values.map { value in
                let ours = groups.compactMap { group in
                    measured(value, group).map { "\($0), protocol \(group.condition.runProtocol.rawValue)" }
                }
                return [
                    value.id, value.quantity, "\(value.value) \(value.unit)", value.kind.rawValue, value.source,
                    ours.isEmpty ? "no run" : ours.joined(separator: "; ")
                ]
            })
    }

    /// The group's number of the value's cell and quantity, in words; `nil` where it is of another cell.
    private static func measured(_ value: ReportedValue, _ group: RunGroup) -> String? {
        switch value.id.lowercased() {
        case group.condition.reportedID.lowercased():
            guard let top1 = group.top1 else { return "diverged" }
            return String(format: "%.2f %%", top1.mean)
                + (top1.interval.map { String(format: " [%.2f, %.2f]", $0.low, $0.high) } ?? "")
        case ReportedValues.trainLossID(group.condition.reportedID).lowercased():
            return group.meanTrainLoss.map { String(format: "%.2g nats", $0) } ?? (group.top1 == nil ? "diverged" : "not kept")
        default: return nil
        }
    }

    /// Where each run came from; the commands follow, numbered, since many runs share one.
    private static func provenance(_ rows: [RunRow]) -> String {
        let commands = rows.map(\.provenance.how).uniqued()
        let table = latexTable(
            header: ["Run", "Recipe (digest)", "Data", "Seconds", "Threads", "Commit", "Command"],
            rows: rows.map { run in
                let facts = run.provenance
                return [
                    run.name, "\(facts.recipe) (\(facts.recipeDigest))", facts.dataOrigin.rawValue, String(format: "%.0f", facts.seconds),
                    "\(facts.threads)", facts.commit, "\((commands.firstIndex(of: facts.how) ?? 0) + 1)"
                ]
            }, overPages: true)
        guard !commands.isEmpty else { return "No run yet.\n" }
        return table + "\\begin{enumerate}\n" + commands.map { "\\item \\texttt{\(escapedForLaTeX($0))}\n" }.joined() + "\\end{enumerate}\n"
    }

    // MARK: Recipes

    /// `nil` in an experiments folder of one's own that has no such cell: the text then has a dash.
    private static func recipe(_ cell: String, _ cells: ExperimentCells) -> Recipe? {
        cells.cells.first { $0.name == cell }?.recipe
    }

    private static func schedules(_ protocols: [ExperimentCells]) -> String {
        latexTable(
            header: ["Protocol", "float epochs", "divided after", "quantized epochs", "divided after"],
            rows: protocols.map { cells in
                let phases = ["resnet20-float", "resnet20-1w4a-bcgd"].map { recipe($0, cells) }
                return [cells.runProtocol.rawValue]
                    + phases.flatMap { phase in
                        phase.map { ["\($0.epochs)", $0.milestones.map { "\($0)" }.joined(separator: ", ")] } ?? ["–", "–"]
                    }
            })
    }

    /// The settings that cells and protocols do not change, side by side.
    private static func recipes(_ cells: ExperimentCells) -> String {
        let shown = [
            ("paper, float", "resnet20-float"), ("paper, quantized", "resnet20-1w4a-bcgd"),
            ("authors-code, quantized", "resnet20-1w4a-bcgd-authors-code")
        ]
        .compactMap { title, cell in recipe(cell, cells).map { (title: title, texts: $0.texts) } }
        let varied: Set<Recipe.Key> = [
            .network, .method, .weightBits, .activationBits, .epochs, .milestones, .relaxationStart, .relaxationEnd, .relaxationShare
        ]
        let keys = Recipe.Key.allCases.filter { !varied.contains($0) }
        return latexTable(
            header: ["Key", "Meaning"] + shown.map(\.title),
            rows: keys.map { key in [key.rawValue, key.about.meaning] + shown.map { $0.texts[key.rawValue] ?? key.about.standard ?? "–" } },
            formulas: [1], overPages: true)
    }

    // MARK: Benchmarks

    private static func benchmarks(_ folder: String) throws -> String {
        let place = "\(folder)/benchmarks"
        // Their names stand in commands of LaTeX.
        let files = (FileManager.default.enumerator(atPath: place)?.compactMap { $0 as? String } ?? []).sorted()
            .filter { $0.split(separator: "/").allSatisfy { Figure.isFileName(String($0)) } }
        var text = ""
        func add(_ title: String, _ table: TextTable) { text += "\\resulttabular{\(escapedForLaTeX(title))}{%\n\(table.latex)}\n" }
        for file in files where (file as NSString).lastPathComponent == "training.csv" {
            guard let csv = try CSVTable.ifPresent("\(place)/\(file)", columns: BenchmarkTables.trainingColumns) else { continue }
            add("Training steps, from benchmarks/\(file)", BenchmarkTables.training(csv))
        }
        for file in files where file.hasSuffix(".png") {
            text +=
                "\\resultfigure{\(escapedForLaTeX("Benchmark, drawn by \((file as NSString).deletingPathExtension).gp"))}"
                + "{benchmarks/\(file)}\n"
        }
        if let csv = try CSVTable.ifPresent("\(folder)/theory/benchmark.csv", columns: BenchmarkTables.monteCarloColumns) {
            add("The Monte Carlo pass of verify-theory, from theory/benchmark.csv", BenchmarkTables.monteCarlo(csv))
        }
        return text
    }

    // MARK: Numbers

    private static func numbers(_ rows: [RunRow], _ quantized: Recipe?) -> [(name: String, value: String)] {
        let origins = Set(rows.filter { $0.condition.dataset == KnownDataset.cifar10.id }.map(\.provenance.dataOrigin))
        return [
            ("runCount", "\(rows.count { $0.correctFinal != nil && $0.epochs > 0 })"),
            ("defaultRho", quantized.map { "\($0.blending)".replacingOccurrences(of: "1e-05", with: "10⁻⁵") } ?? "–"),
            ("quantizedRate", quantized.map { "\($0.learningRate)" } ?? "–"),
            ("rhoOverEta", quantized.map { String(format: "%g", Double($0.blending) / $0.learningRate) } ?? "–"),
            ("batchSize", quantized.map { "\($0.batchSize)" } ?? "–"),
            ("dataOrigins", origins.map(\.rawValue).sorted().joined(separator: " and "))
        ]
    }

    private static func macros(_ numbers: [(name: String, value: String)]) -> String {
        numbers.map { "\\newcommand{\\\($0.name)}{\(escapedForLaTeX($0.value))}\n" }.joined()
    }
}
