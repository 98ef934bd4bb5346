// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import Reporting
import TestSupport
import Testing
import Training

@Suite struct ReportedValueTests {
    /// METHOD part 4: the abstract of arXiv 1808.05240, the authors' learning-curve figure, and DSQ's table; the companion paper's [S]
    /// table 1 (18 accuracies and losses) and the ends of its instability runs.
    @Test func theNumbersAtHand() throws {
        let reported = try ReportedValues(contentsOf: experiments + "/reported.csv")
        let imageNet = reported.values.filter { $0.id.hasPrefix("imagenet/") }
        #expect(imageNet.map(\.value) == [64.36, 65.46, 62.98, 67.36, 70.81])
        #expect(imageNet.map(\.kind) == [.primary, .primary, .plot, .secondary, .secondary])
        let table = reported.values.filter { $0.source.hasSuffix("table 1") }
        #expect(table.count == 36 && table.count { $0.unit == "%" } == 18 && table.allSatisfy { $0.kind == .primary })
        #expect(reported["mnist/lenet5-ste-4bit-relu"]?.value == 99.32 && reported.trainLoss("mnist/lenet5-ste-4bit-relu")?.value == 9e-4)
        #expect(
            reported["cifar-10/resnet20-ste-2bit-identity"]?.value == 46.52
                && reported.trainLoss("cifar-10/resnet20-ste-2bit-identity")?.value == 1.56)
        #expect(reported["cifar-10/vgg11-ste-4bit-clipped-relu"]?.value == 92.08)
        #expect(reported["cifar-10/resnet20-ste-2bit-relu-after-clipped-relu"]?.kind == .plot)
        #expect(reported["imagenet/resnet18-1w4a-bcgd"]?.value == 64.36)
        #expect(reported["imagenet/resnet18-1w4a-bcgd-inner"]?.value == 65.46)
        #expect(reported["imagenet/resnet18-1w4a-bc"]?.value == 62.98)
        #expect(reported.values.allSatisfy { ($0.unit == "%" || $0.unit == "nats") && !$0.source.isEmpty && !$0.quantity.isEmpty })
        #expect(reported["CIFAR-10/vgg11-1w4a-bcgd"] == nil)
    }

    @Test(arguments: [
        ("id,value\n", "expected the columns"),
        ("id,quantity,value,unit,kind,source\na,q,about 3,%,primary,s\n", "row 1: expected a number"),
        ("id,quantity,value,unit,kind,source\na,q,inf,%,primary,s\n", "row 1: expected a number"),
        ("id,quantity,value,unit,kind,source\na,q,3,%,primary,\n", "must not be empty"),
        ("id,quantity,value,unit,kind,source\na,q,3,%,primary,- (a letter)\n", "must be text without control"),
        (
            "id,quantity,value,unit,kind,source\na,q,3,%,hearsay,s\n",
            "kind must be one of primary, secondary, read off a plot, not \"hearsay\""
        ),
        ("id,quantity,value,unit,kind,source\na,q,3,%,primary,s\na,q,4,%,primary,s\n", "given twice")
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
        let published = CSVTable(header: RunRow.columns, rows: [try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd").fields])
        #expect(table[0, "cell"] == "resnet20-1w4a-bcgd" && table[0, "blending"] == "1e-05" && table[0, "quantized_layers"] == "all")
        #expect(published[0, "reported"] == "64.36" && published[0, "reported_source"] == "arXiv 1808.05240 abstract")
    }

    @Test func recordReplacesByKeyAndReadsBack() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            try RunRow.record([try row(seed: 1), try row(seed: 2, best: nil)], in: path)
            try RunRow.record([try row(seed: 1, correct: 9200, best: 9200), try row(seed: 1, origin: .unofficial)], in: path)
            var expected = [try row(seed: 1, correct: 9200, best: 9200), try row(seed: 2, best: nil), try row(seed: 1, origin: .unofficial)]
            for index in expected.indices { expected[index].provenance.seconds = 12.3 }  // written with one decimal
            #expect(try RunRow.read(from: path) == expected)
        }
    }

    /// Files from before top-5 was kept are read, and get its columns when something is recorded.
    @Test func topFiveComesAndGoes() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            try RunRow.record([try row(top5: 9800), try row(seed: 2)], in: path)
            let rows = try RunRow.read(from: path)
            #expect(rows.map(\.top5Final) == [9800, nil] && rows.map(\.correctFinal) == [9123, 9123])
            // Exact binomial interval of 9800 of 10000, by bisection on the sums of probabilities as above: 97.7062, 98.2653.
            let fields = CSVTable(header: RunRow.columns, rows: rows.map(\.fields))
            #expect(fields[0, "top5_final"] == "98.0000" && fields[0, "top5_low"] == "97.7062" && fields[0, "top5_high"] == "98.2653")
            #expect(fields[1, "top5_final"] == "" && fields[1, "top5_low"] == "")
            for (old, new, words) in [("98.0000", "90.0000", "at least top1_final"), ("97.7062", "97.0000", "row 1, top5_low")] {
                let good = try text(of: path)
                try Data(good.replacingOccurrences(of: old, with: new).utf8).write(to: URL(fileURLWithPath: path))
                #expect(message { _ = try RunRow.read(from: path) }.contains(words))
                try Data(good.utf8).write(to: URL(fileURLWithPath: path))
            }
            let old = RunRow.columns.filter { !$0.hasPrefix("top5") }
            let table = CSVTable(header: old, rows: [old.map { fields[1, $0] }])
            try table.write(to: path)
            #expect(try RunRow.read(from: path) == [rows[1]])
            try RunRow.record([rows[0]], in: path)
            #expect(try RunRow.read(from: path) == [rows[1], rows[0]])
        }
    }

    /// A run that diverged has no accuracy, and is read back as such; numbers beside an empty accuracy are refused.
    @Test func divergedRunsHaveNoAccuracy() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            let run = try row(correct: nil, best: nil)
            #expect(run.divergedEpoch == 4 && run.top1Final == nil && run.interval == nil)
            try RunRow.record([run], in: path)
            #expect(try RunRow.read(from: path).map(\.divergedEpoch) == [4])
            let table = CSVTable(header: RunRow.columns, rows: [run.fields])
            #expect(["top1_final", "ci95_low", "ci95_high", "top1_best"].allSatisfy { table[0, $0].isEmpty })
            try RunRow.record([try row()], in: path)
            let whole = try text(of: path)
            try Data(whole.replacingOccurrences(of: "91.2300", with: "").utf8).write(to: URL(fileURLWithPath: path))
            #expect(message { _ = try RunRow.read(from: path) }.contains("ci95_low: expected nothing, as top1_final is empty"))
        }
    }

    /// Names of data sets in names of files; a part of ImageNet is never taken for the whole.
    @Test func slugs() throws {
        let part = try row(dataset: "ImageNet, 10 classes", cell: "resnet18-1w4a-bcgd")
        #expect(part.name == "imagenet-10-classes-resnet18-1w4a-bcgd-smoke-seed1" && part.reported == nil)
        #expect(Section(part).slug == "imagenet-10-classes-smoke" && Section(part).title == "ImageNet, 10 classes, protocol smoke")
        #expect(try row(dataset: "ImageNet", cell: "resnet18-1w4a-bcgd").reported == 64.36)
        #expect(try row(dataset: "CIFAR-10").name == "cifar-10-resnet20-1w4a-bcgd-smoke-seed1")
    }

    /// Top-5 stands in a table where a run has it.
    @Test func topFiveInATable() throws {
        func table(_ runs: [RunRow]) -> TextTable {
            ResultsTable(runs, columns: [.setting(.network)], cells: ["resnet20-1w4a-bcgd"], comparisons: []) { _ in nil }.accuracies
        }
        #expect(!table([try row()]).header.contains("Top-5, % [95 %]"))
        let both = table([try row(top5: 9800)])
        let column = try #require(both.header.firstIndex(of: "Top-5, % [95 %]"))
        #expect(both.rows[0][column] == "98.00 [97.71, 98.27]" && both.rows.allSatisfy { $0.count == both.header.count })
        // The mean over seeds, where every run has it: 97 and 99 %, Student's t(0.975; 1) = 12.7062 times 1.
        #expect(table([try row(top5: 9700), try row(seed: 2, top5: 9900)]).rows[0][column] == "98.00 [85.29, 100.00]")
        #expect(table([try row(top5: 9700), try row(seed: 2)]).header.contains("Top-5, % [95 %]") == false)
    }

    /// Cells that differ in ρ alone, and precisions, stay apart; so do their files. A number reported for one is not the other's.
    @Test func theCellsNameAndThePrecisionTellRunsApart() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            let runs = [
                try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd"),
                try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd-rho1e-3", blending: 1e-3),
                try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd", precision: .mixed)
            ]
            for run in runs { try RunRow.record([run], in: path) }
            #expect(try RunRow.read(from: path).map(\.condition) == runs.map(\.condition))
            #expect(
                runs.map(\.name) == [
                    "imagenet-resnet18-1w4a-bcgd-smoke-seed1", "imagenet-resnet18-1w4a-bcgd-rho1e-3-smoke-seed1",
                    "imagenet-resnet18-1w4a-bcgd-smoke-seed1-mixed"
                ])
            #expect(runs.map(\.reported) == [64.36, nil, 64.36])
        }
    }

    /// Eight writers of 25 rows each into one file: without the lock most are lost, or a write fails.
    @Test func writersAtTheSameTimeLoseNoRow() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            let rows = try (0..<200).map { try row(seed: UInt64($0)) }
            DispatchQueue.concurrentPerform(iterations: 8) { writer in
                for index in 0..<25 { try? RunRow.record([rows[25 * writer + index]], in: path) }
            }
            let seeds = try RunRow.read(from: path).map(\.seed).sorted()
            #expect(seeds == (0..<200).map(UInt64.init))
        }
    }

    /// A run that is there twice, with the same or other numbers, is no further seed, in whatever way its seed and data set are written.
    @Test(arguments: [
        ("", "", "with the same numbers"), ("12.3", "99.9", "with different seconds 12.3 and 99.9"),
        ("smoke,1,", "smoke,01,", "with the same numbers"),
        ("fashion-mnist", "Fashion MNIST", "with different dataset fashion-mnist and Fashion MNIST"),
        ("abc1234", "def5678", "with different commit abc1234 and def5678")
    ])
    func repeatedRunsAreRefused(_ old: String, _ new: String, _ expected: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
            try RunRow.record([try row(seed: 1), try row(seed: 2)], in: path)
            let good = try text(of: path), line = good.split(separator: "\n")[1]
            try Data((good + line.replacingOccurrences(of: old, with: new) + "\n").utf8).write(to: URL(fileURLWithPath: path))
            let said = message { _ = try RunRow.read(from: path) }
            #expect(said.contains("rows 1 and 3 are the same run, fashion-mnist-resnet20-1w4a-bcgd-smoke-seed1, \(expected)"), "\(said)")
        }
    }

    /// Each edit of a good file must be refused, by row and column, and must leave the file as it was when recording into it.
    @Test(arguments: [
        ("91.2300", "91.2345", "row 1, top1_final: expected a whole number of 10000 images"),
        ("91.2300", "91.3300", "row 1, ci95_low: expected"),
        ("91.2300", "9e999", "row 1, top1_final: expected a number"), ("91.2300", "101", "row 1, top1_final: expected a percentage"),
        (",10000,", ",0,", "row 1, n_test: expected 1"), ("official,2", "official,two", "row 1, threads: expected an integer"),
        (",official", ",mine", "row 1, data_origin: expected official or unofficial"), ("smoke,1,", "smoke,-1,", "row 1, seed: expected"),
        ("top1_best", "top1", ":1: expected the columns"), ("91.5000", "91.2000", "row 1, top1_best: expected at least top1_final"),
        (",12.3,", ",0.0,", "row 1, seconds: expected more than 0"), (",12.3,", ",-1,", "row 1, seconds: expected more"),
        (",12.3,", ",nan,", "row 1, seconds: expected a number"),
        ("official,2", "official,0", "row 1, threads: expected more than 0"),
        (",3,10000", ",9223372036854775807,10000", "row 1, epochs: expected at most"),
        ("fashion-mnist", "fashion'\u{301} `x`", "row 1, dataset: expected a name"),
        ("fashion-mnist", "<b>", "row 1, dataset: expected a name"),
        ("resnet20-1w4a-bcgd", "../x", "row 1, cell: expected a name"), ("resnet20,", "=cmd,", "row 1, network: expected a name"),
        ("clipped-relu", "clipped\u{7}", "row 1, input_derivative: expected one of clipped-relu, relu, identity, found \"clipped\\u{7}\""),
        ("abc1234", "abc\u{301}", "row 1, commit: expected text without"),
        ("not available", "=not available", "row 1, reported_source: expected text"),
        (",paper,", ",pa\u{202E}per,", "row 1, recipe: expected text")
    ])
    func editedFilesAreRefused(old: String, new: String, expected: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/runs.csv"
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
