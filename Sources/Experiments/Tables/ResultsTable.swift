// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import Statistics

/// A table of the paper in one section: its cells' accuracies, and the comparisons between them.
public struct ResultsTable: Sendable {
    public let groups: [RunGroup]
    public let comparisons: [PairedComparison]
    /// Cells of the table that have no run in this section.
    public let missing: [String]
    private let columns: [SettingColumn]
    private let reported: ReportedValues?

    /// - Parameters:
    ///   - runs: of one section, also of cells that the table does not show.
    ///   - columns: settings that it shows.
    ///   - cells: the names of those that it shows, in order.
    ///   - comparisons: pairs of names, first minus second.
    ///   - reported: for training losses; those of accuracies are in the rows.
    ///   - outcomes: of a run, image by image; nil when there are none.
    public init(
        _ runs: [RunRow], columns: [SettingColumn], cells: [String], comparisons: [[String]], reported: ReportedValues? = nil,
        outcomes: (RunRow) throws -> ImageOutcomes?
    ) rethrows {
        let all = RunGroup.all(of: runs)
        func groups(of cell: String) -> [RunGroup] {
            all.filter { $0.condition.cell == cell }.sorted { ($0.precision.rawValue, $0.seeds[0]) < ($1.precision.rawValue, $1.seeds[0]) }
        }
        (self.columns, self.reported) = (columns, reported)
        self.groups = cells.flatMap(groups)
        missing = cells.filter { groups(of: $0).isEmpty }
        self.comparisons = try comparisons.flatMap { pair in
            PairedComparison.joined(
                try groups(of: pair[0]).flatMap { first in
                    try groups(of: pair[1]).compactMap { try PairedComparison(first, $0, outcomes: outcomes) }
                })
        }
    }

    /// One row for each group; top-5 where a group has it, the training loss where one was reported.
    public var accuracies: TextTable {
        let hasTop5 = groups.contains { $0.top5 != nil }, losses = groups.map { reported?.trainLoss($0.condition.reportedID)?.value }
        let hasLoss = losses.contains { $0 != nil }
        return TextTable(
            header: columns.map(\.title) + ["Precision", "Epochs", "Seeds", "Top-1, % [95 %]"] + (hasTop5 ? ["Top-5, % [95 %]"] : [])
                + (hasLoss ? ["Training loss", "Reported loss"] : []) + [
                    "Best on test (no result), %", "Reported, %", "Difference, points [95 %]", "Source of the reported number"
                ],
            rows: zip(groups, losses).map { group, reportedLoss in
                let top1 =
                    group.top1.map { twoDecimals($0.mean, $0.interval) } ?? group.divergedEpoch.map { "diverged in epoch \($0)" } ?? "–"
                let top5 = group.top5.map { twoDecimals($0.mean, $0.interval) } ?? "–"
                let settings = columns.map { $0.text(group.condition) }
                let run = [group.precision.rawValue, "\(group.first.epochs)", group.isTrained ? listed(group.seeds) : "–", top1]
                let further = (hasTop5 ? [top5] : []) + (hasLoss ? [loss(group.meanTrainLoss), loss(reportedLoss)] : [])
                return settings + run + further + [
                    twoDecimals(group.meanBest), twoDecimals(group.first.reported),
                    group.difference.map { twoDecimals($0.value, $0.interval) } ?? "–",
                    group.first.reportedSource
                ]
            })
    }

    /// The same, narrower where no group has a reported number: then the reason alone is said.
    public var shortAccuracies: TextTable {
        let all = accuracies, kept = all.header.count - 3
        guard groups.allSatisfy({ $0.first.reported == nil }) else { return all }
        return TextTable(header: all.header.prefix(kept) + ["Reported"], rows: all.rows.map { $0.prefix(kept) + [$0[kept + 2]] })
    }

    public var latex: String { shortAccuracies.latex }

    /// Over seeds: one row for each comparison. Nil when there is none.
    public var differences: TextTable? {
        guard !comparisons.isEmpty else { return nil }
        let tested = comparisons.indices.filter { comparisons[$0].tTest != nil }
        let adjusted = holmAdjusted(tested.compactMap { comparisons[$0].tTest?.pValue })
        let holm = Dictionary(uniqueKeysWithValues: zip(tested, adjusted))
        return TextTable(
            header: ["First", "Second", "Precision", "Seeds", "First − second, points [95 %]", "p, paired t", "p, Holm"],
            rows: comparisons.enumerated().map { index, pair in
                Self.names(pair) + [
                    listed(pair.seeds), twoDecimals(pair.difference, pair.interval),
                    probability(pair.tTest?.pValue), probability(holm[index])
                ]
            })
    }

    /// On the same test images: one row for each comparison and seed with outcomes. Nil when there is none.
    public var images: TextTable? {
        let tests = comparisons.flatMap { pair in
            zip(pair.seeds, pair.mcNemar).compactMap { seed, outcome in outcome.map { (pair: pair, seed: seed, outcome: $0) } }
        }
        guard !tests.isEmpty else { return nil }
        let holm = holmAdjusted(tests.map(\.outcome.test.pValue))
        return TextTable(
            header: ["First", "Second", "Precision", "Seed", "Only first right", "Only second right", "p, McNemar", "p, Holm"],
            rows: zip(tests, holm).map { test, holm in
                Self.names(test.pair) + [
                    "\(test.seed)", "\(test.outcome.onlyFirst)", "\(test.outcome.onlySecond)", probability(test.outcome.test.pValue),
                    probability(holm)
                ]
            })
    }

    /// All of it, without the notes.
    public var markdown: String {
        let number = groups.first.map { "Top-1 after the last epoch on \($0.images).\n\n" } ?? ""
        let absent = missing.isEmpty ? "" : "\nWithout a run: \(escapedForMarkdown(missing.joined(separator: ", "))).\n"
        return number + accuracies.markdown + absent + [differences, images].compactMap { $0 }.map { "\n" + $0.markdown }.joined()
    }

    /// Its accuracies in few columns: what all rows have in common is said once, above them.
    public var brief: String {
        let all = shortAccuracies
        let common = all.header.indices.filter { column in all.rows.count > 1 && Set(all.rows.map { $0[column] }).count == 1 }
        let kept = all.header.indices.filter { !common.contains($0) }
        let facts =
            common.map { "\(all.header[$0].lowercased()): \(all.rows[0][$0])" }
            + (groups.first.map { [$0.images] } ?? [])
        let table = TextTable(header: kept.map { all.header[$0] }, rows: all.rows.map { row in kept.map { row[$0] } })
        return escapedForMarkdown(facts.joined(separator: "; ")) + "\n\n" + table.markdown
    }

    /// What the columns mean.
    public static let notes = """
        Top-1 is that after the last epoch, the mean over the seeds. Its interval is Student's over seeds, cut off at 0 and 100 %; for one \
        seed, or weights that were not trained here (0 epochs), it is the exact binomial (Clopper–Pearson) one over test images like \
        these, which says nothing about seeds. Seeds that all have the same accuracy, or the same difference, do not show how far others \
        would lie from it: there is no interval then, and no test.
        “Best on test” was picked on the test images themselves: it stands here for comparison with work that reports it, \
        and is no result.
        Training diverged where the loss, a parameter or a running statistic was no finite number any more; there is no accuracy then, and \
        the epochs are those finished before.
        The difference is ours minus the reported number, with the interval of ours: that of the reported number is not known.
        Comparisons take the seeds that both cells have in the same precision, also where these are of several recipes of the cells, in \
        rows of their own: the paired t test over seeds, and McNemar's exact test on the same test images for each seed, which \
        compares those two trained networks and says nothing about other seeds. Holm's adjustment is over all tests of one kind in one \
        table of a section.

        """

    /// Where each run came from.
    public static func provenance(_ runs: [RunRow]) -> TextTable {
        TextTable(
            header: ["Run", "Recipe (digest)", "Data", "Seconds", "Threads", "Commit", "Command"],
            rows: runs.map { run in
                let facts = run.provenance
                return [
                    run.name, "\(facts.recipe) (\(facts.recipeDigest))", facts.dataOrigin.rawValue, String(format: "%.0f", facts.seconds),
                    "\(facts.threads)", facts.commit, facts.how
                ]
            })
    }

    private static func names(_ pair: PairedComparison) -> [String] {
        [pair.first.condition.cell, pair.second.condition.cell, pair.first.precision.rawValue]
    }
}

private func listed(_ seeds: [UInt64]) -> String { seeds.map { "\($0)" }.joined(separator: ", ") }
private func loss(_ value: Double?) -> String { value.map { String(format: "%.2g", $0) } ?? "–" }
/// A number as tables show it, a dash for none; then its interval.
func twoDecimals(_ value: Double?, _ ends: Interval? = nil) -> String {
    (value.map { String(format: "%.2f", $0) } ?? "–") + (ends.map { String(format: " [%.2f, %.2f]", $0.low, $0.high) } ?? "")
}
private func probability(_ p: Double?) -> String { p.map { $0 < 1e-4 ? "<0.0001" : String(format: "%.4f", $0) } ?? "–" }
