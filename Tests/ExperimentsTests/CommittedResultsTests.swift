// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Experiments
import Foundation
import Reporting
import TestSupport
import Testing
import Training

/// Files that earlier versions wrote mean the same, and are written again byte for byte.
@Suite struct CommittedResultsTests {
    private static let results = package + "/results"

    @Test(arguments: ["runs", "tables/table1", "tables/table2", "tables/table3", "tables/table4", "tables/figure2"])
    func rowsAreWrittenAsTheyWereRead(_ name: String) throws {
        let path = "\(Self.results)/\(name).csv", bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let rows = try RunRow.read(from: path)
        #expect(!rows.isEmpty && Data(RunRow.table(rows).text.utf8) == bytes)
        // And so are they when a row takes its own place.
        let folder = try TemporaryFolder(), copy = try folder.write(String(decoding: bytes, as: UTF8.self), to: "runs.csv")
        try RunRow.record([rows[rows.count / 2]], in: copy)
        #expect(FileManager.default.contents(atPath: copy) == bytes)
    }

    /// Of what pdfLaTeX knows: Latin letters. Signs of the theory's statements are commands (`LaTeXText.swift`).
    @Test func latexHasNoUnknownSigns() throws {
        let folder = Self.results + "/paper", names = try FileManager.default.contentsOfDirectory(atPath: folder)
        for name in names.filter({ $0.hasSuffix(".tex") }) {
            let signs = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).unicodeScalars.filter { $0.value >= 0x180 }
            #expect(signs.isEmpty, "\(name): \(String(String.UnicodeScalarView(signs)))")
        }
    }

    @Test func seedsAreWrittenAsTheyWereRead() throws {
        let path = Self.results + "/regress/seeds.csv", recorded = try RegressionSamples(contentsOf: path)
        #expect(try Data(recorded.table.text.utf8) == Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// What is recorded is the baseline of the committed plan: the names of its statistics, its recipe's digest, enough seeds.
    @Test func recordedSeedsServeThePlan() throws {
        let recorded = try RegressionSamples(contentsOf: Self.results + "/regress/seeds.csv")
        let plan = try ExperimentFolder(experiments).regressionPlan()
        let groups = Dictionary(grouping: recorded.samples, by: \.group)
        #expect(groups.count == 6, "two data sets, three precisions")
        for (group, samples) in groups {
            let baseline = try recorded.baseline(
                group, statistics: plan.statistics, dataChecksum: samples[0].dataChecksum, recipeDigest: plan.digest)
            #expect(baseline == samples)
        }
    }

    /// The condition of a row is that of its cell, setting by setting; every file of a run has the row's name.
    @Test func rowsHaveTheConditionsOfTheirCells() throws {
        let folder = ExperimentFolder(experiments), rows = try RunRow.read(from: Self.results + "/runs.csv")
        for section in Section.all(of: rows) {
            let cells = try folder.cells(Subject(section.dataset), section.runProtocol).cells
            for row in rows where Section(row) == section {
                let cell = try #require(cells.first { $0.name == row.condition.cell })
                #expect(row.condition == Condition(cell, on: section.dataset, section.runProtocol, row.condition.precision))
            }
        }
        for row in rows where row.epochs > 0 {
            #expect(FileManager.default.fileExists(atPath: "\(Self.results)/runs/\(row.name)/curve.csv"), "\(row.name)")
        }
    }

    /// Where a cell has a run, the report has its measured training loss beside the published one.
    @Test func publishedLossesStandBesideMeasuredOnes() throws {
        let lines = try String(contentsOfFile: Self.results + "/paper/reported.tex", encoding: .utf8).split(separator: "\n")
        let hasRun = Dictionary(
            uniqueKeysWithValues: lines.filter { $0.contains(" & ") }.map { ($0.prefix { $0 != " " }, !$0.contains("no run")) })
        let losses = hasRun.keys.filter { $0.hasSuffix("/train-loss") }
        #expect(losses.count { hasRun[$0] == true } >= 6, "MNIST's cells")
        for loss in losses { #expect(hasRun[loss] == hasRun[loss.dropLast("/train-loss".count)], "\(loss)") }
    }
}
