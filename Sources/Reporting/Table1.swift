// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Table 1 for readers: runs of the same cell stand together, one row per seed, then their mean.
public struct Table1 {
    private static let header = [
        "Data set", "Network", "Bits", "Method", "Protocol", "Epochs", "Seed", "Test images", "Top-1 after the last epoch, % [95 % interval]",
        "Best on test (not a result), %", "Reported, %", "Source of the reported number",
    ]
    private let rows: [[String]]
    private let runs: [RunRow]
    private let hasMeanInterval: Bool

    /// - Parameter meanInterval: the interval of the mean over seeds from at least two accuracies in percent; without it
    ///   the mean stands alone.
    public init(_ runs: [RunRow], meanInterval: (([Double]) -> Interval)? = nil) {
        let groups = Dictionary(grouping: runs, by: Group.init)
        var order: [Group] = []
        for group in runs.map(Group.init) where !order.contains(group) { order.append(group) }
        let sorted = order.map { (groups[$0] ?? []).sorted { $0.seed < $1.seed } }
        self.runs = sorted.flatMap { $0 }
        rows = sorted.flatMap { Self.rows(of: $0, meanInterval: meanInterval) }
        hasMeanInterval = meanInterval != nil
    }

    /// The table, what its columns mean, and where each run came from.
    public var markdown: String {
        let provenance = runs.map { run in
            let facts = run.provenance
            return [
                run.cell.dataset, run.cell.network, run.cell.bits, run.cell.method, run.cell.protocolName, "\(run.seed)",
                "\(facts.recipe) (\(facts.recipeDigest))", facts.dataOrigin.rawValue, String(format: "%.0f", facts.seconds),
                "\(facts.threads)", facts.precision, facts.commit, facts.how,
            ]
        }
        let mean = hasMeanInterval ? "and that of a mean the Student t interval over seeds" : "and a mean over seeds stands without an interval"
        return markdownTable(header: Self.header, rows: rows) + """

            The result is the accuracy after the last epoch. The interval of a run is the exact binomial (Clopper–Pearson) one, over test images like these, \(mean).
            The best epoch was picked on the test images themselves: it is shown for comparison with work that reports it, and is not a result.

            Where each run came from:


            """
            + markdownTable(
                header: ["Data set", "Network", "Bits", "Method", "Protocol", "Seed", "Recipe (digest)", "Data", "Seconds", "Threads", "Precision", "Commit", "Command"],
                rows: provenance)
    }

    /// The table without the provenance, for LaTeX.
    public var latex: String { latexTable(header: Self.header, rows: rows) }

    private static func rows(of runs: [RunRow], meanInterval: (([Double]) -> Interval)?) -> [[String]] {
        let each = runs.map { run in
            let end = run.interval
            return leading(run) + ["\(run.seed)", "\(run.testImages)", with(run.top1Final, low: end.low, high: end.high), two(run.top1Best)] + reported(run)
        }
        guard runs.count >= 2, let first = runs.first else { return each }
        let finals = runs.map(\.top1Final)
        let mean = finals.reduce(0, +) / Double(finals.count)
        let shown = meanInterval.map { interval in
            let ends = interval(finals)
            return with(mean, low: ends.low, high: ends.high)
        }
        return each + [leading(first) + ["mean of \(runs.count)", "\(first.testImages)", shown ?? two(mean), ""] + reported(first)]
    }

    private static func leading(_ run: RunRow) -> [String] {
        let data = run.provenance.dataOrigin == .official ? run.cell.dataset : "\(run.cell.dataset) (unofficial files)"
        return [data, run.cell.network, run.cell.bits, run.cell.method, run.cell.protocolName, "\(run.epochs)"]
    }

    private static func reported(_ run: RunRow) -> [String] { [run.reported.map { two($0) } ?? "–", run.reportedSource] }
    private static func two(_ value: Double?) -> String { value.map { String(format: "%.2f", $0) } ?? "–" }
    private static func with(_ value: Double, low: Double, high: Double) -> String { String(format: "%.2f [%.2f, %.2f]", value, low, high) }
}

/// Runs that differ by nothing but the seed: only these may share a mean.
private struct Group: Hashable {
    let cell: RunCell
    let epochs: Int
    let testImages: Int
    let recipe: String
    let digest: String
    let origin: RunProvenance.DataOrigin

    init(_ run: RunRow) {
        (cell, epochs, testImages) = (run.cell, run.epochs, run.testImages)
        (recipe, digest, origin) = (run.provenance.recipe, run.provenance.recipeDigest, run.provenance.dataOrigin)
    }
}
