// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import Statistics
import Testing

private let experiments = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Experiments").path

private func row(
    dataset: String = "fashion-mnist", network: String = "resnet-20", method: String = "bcgd", seed: UInt64 = 1, correct: Int = 9123,
    best: Int? = 9150, digest: String = "0123abcd", origin: RunProvenance.DataOrigin = .official
) throws -> RunRow {
    RunRow(
        cell: RunCell(dataset: dataset, network: network, weightBits: 1, activationBits: 4, method: method, protocolName: "smoke"),
        seed: seed, epochs: 3, testImages: 10000, correctFinal: correct, correctBest: best,
        reportedIn: try ReportedValues(contentsOf: experiments + "/reported.csv"),
        provenance: RunProvenance(
            seconds: 12.34, threads: 2, precision: "f32", commit: "abc1234", recipe: "paper", recipeDigest: digest, dataOrigin: origin,
            how: "reproduce table1 --protocol smoke, \"quoted\""))
}

@Suite struct ReportedValueTests {
    /// METHOD part 4: the abstract of arXiv 1808.05240 and the authors' learning-curve figure. Nothing else is at hand.
    @Test func theThreeNumbersAtHand() throws {
        let reported = try ReportedValues(contentsOf: experiments + "/reported.csv")
        #expect(reported.values.map(\.value) == [64.36, 65.46, 62.98])
        #expect(reported["imagenet/resnet-18/1W4A/bcgd"]?.value == 64.36)
        #expect(reported["imagenet/resnet-18/1W4A/bcgd-first-last-float"]?.value == 65.46)
        #expect(reported["imagenet/resnet-18/1W4A/bc"]?.value == 62.98)
        #expect(reported.values.allSatisfy { $0.unit == "%" && !$0.source.isEmpty && !$0.quantity.isEmpty })
        #expect(reported["cifar-10/vgg-11/1W4A/bcgd"] == nil)
    }

    @Test(arguments: [
        ("id,value\n", "expected the columns"), ("id,quantity,value,unit,source\na,q,about 3,%,s\n", "row 1: expected a number"),
        ("id,quantity,value,unit,source\na,q,inf,%,s\n", "row 1: expected a number"),
        ("id,quantity,value,unit,source\na,q,3,%,\n", "must not be empty"),
        ("id,quantity,value,unit,source\na,q,3,%,s\na,q,4,%,s\n", "given twice"),
    ])
    func badFilesAreNamed(text: String, expected: String) throws {
        try withTemporaryFolder { folder in
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/r.csv"))
            let said = message { _ = try ReportedValues(contentsOf: folder + "/r.csv") }
            #expect(said.hasPrefix(folder + "/r.csv") && said.contains(expected))
        }
    }
}

@Suite struct RunRowTests {
    /// The interval of 9123 of 10000 was found apart from GSL, by bisection in p on the sums of binomial probabilities
    /// P(X ≥ 9123) = 0.025 and P(X ≤ 9123) = 0.025: 90.658527 % and 91.777326 %.
    @Test func fieldsAreTheDocumentedOnes() throws {
        let table = CSVTable(header: RunRow.columns, rows: [try row().fields])
        #expect(table[0, "top1_final"] == "91.2300" && table[0, "top1_best"] == "91.5000" && table[0, "n_test"] == "10000")
        #expect(table[0, "ci95_low"] == "90.6585" && table[0, "ci95_high"] == "91.7773")
        #expect(table[0, "reported"] == "" && table[0, "reported_source"] == "not available in the sources at hand")
        #expect(table[0, "recipe"] == "paper" && table[0, "data_origin"] == "official" && table[0, "seconds"] == "12.3")
        let published = CSVTable(header: RunRow.columns, rows: [try row(dataset: "imagenet", network: "resnet-18").fields])
        #expect(published[0, "reported"] == "64.36" && published[0, "reported_source"] == "arXiv 1808.05240 abstract")
    }

    @Test func recordReplacesByKeyAndReadsBack() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/table1.csv"
            try RunRow.record([try row(seed: 1), try row(seed: 2, best: nil)], in: path)
            try RunRow.record([try row(seed: 1, correct: 9200), try row(seed: 1, origin: .unofficial)], in: path)
            var expected = [try row(seed: 1, correct: 9200), try row(seed: 2, best: nil), try row(seed: 1, origin: .unofficial)]
            for index in expected.indices { expected[index].provenance.seconds = 12.3 }  // written with one decimal
            #expect(try RunRow.read(from: path) == expected)
        }
    }

    /// Each edit of a good file must be refused, by row and column, and must leave the file as it was when recording into it.
    @Test(arguments: [
        ("91.2300", "91.2345", "row 1, top1_final: expected a whole number of 10000 images"), ("91.2300", "91.3300", "row 1, ci95_low: expected"),
        ("91.2300", "9e999", "row 1, top1_final: expected a number"), ("91.2300", "101", "row 1, top1_final: expected a percentage"),
        (",10000,", ",0,", "row 1, n_test: expected 1"), ("official,2", "official,two", "row 1, threads: expected an integer"),
        (",official", ",mine", "row 1, data_origin: expected official or unofficial"), ("smoke,1,", "smoke,-1,", "row 1, seed: expected"),
        ("top1_best", "top1", ":1: expected the columns"),
    ])
    func editedFilesAreRefused(old: String, new: String, expected: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/table1.csv"
            try RunRow.record([try row()], in: path)
            let good = try text(of: path)
            let edited = good.replacingOccurrences(of: old, with: new)
            try #require(edited != good)
            try Data(edited.utf8).write(to: URL(fileURLWithPath: path))
            #expect(message { _ = try RunRow.read(from: path) }.contains(expected))
            #expect(!message { try RunRow.record([try row(seed: 9)], in: path) }.isEmpty)
            #expect(try text(of: path) == edited)
        }
    }
}

@Suite struct Table1Tests {
    /// Cells of the first table in the Markdown, without the header and the rule.
    private func cells(_ markdown: String) -> [[String]] {
        markdown.split(separator: "\n").prefix { $0.hasPrefix("|") }.dropFirst(2).map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// Values by hand from the counts; the interval as above.
    @Test func aRunAndItsInterval() throws {
        let none = "not available in the sources at hand"
        let markdown = Table1([try row(), try row(dataset: "imagenet", network: "resnet-18", best: nil, origin: .unofficial)]).markdown
        #expect(
            cells(markdown) == [
                ["fashion-mnist", "resnet-20", "1W4A", "bcgd", "smoke", "3", "1", "10000", "91.23 [90.66, 91.78]", "91.50", "–", none],
                [
                    "imagenet (unofficial files)", "resnet-18", "1W4A", "bcgd", "smoke", "3", "1", "10000", "91.23 [90.66, 91.78]", "–",
                    "64.36", "arXiv 1808.05240 abstract",
                ],
            ])
        #expect(markdown.contains("Best on test (not a result)") && markdown.contains("reproduce table1 --protocol smoke"))
    }

    /// Mean of 91.23, 91.33 and 91.43 by hand; runs of another recipe or data origin stay out of it.
    @Test func seedsShareAMeanOnlyWhenAllElseIsEqual() throws {
        let runs = [
            try row(seed: 2, correct: 9133), try row(method: "bc"), try row(seed: 1, correct: 9123), try row(seed: 3, correct: 9143),
            try row(seed: 4, correct: 9000, digest: "other"), try row(seed: 5, correct: 9000, origin: .unofficial),
        ]
        let rows = cells(Table1(runs).markdown)
        #expect(rows.map { $0[6] } == ["1", "2", "3", "mean of 3", "1", "4", "5"])
        #expect(rows[3][8] == "91.33" && rows[3][9] == "")
        let withInterval = cells(Table1(runs) { finals in clopperPearson(successes: 1, trials: finals.count) }.markdown)
        #expect(withInterval[3][8].hasPrefix("91.33 ["))
        #expect(Table1(runs).latex.contains("mean of 3 & 10000 & 91.33 &"))
    }
}
