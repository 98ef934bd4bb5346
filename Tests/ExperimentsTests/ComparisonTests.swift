// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import Reporting
import TestSupport
import Testing
import Training

@Suite struct ImageOutcomesTests {
    /// By hand: 1010 0110 1(000) is a68.
    @Test func hexadecimalDigits() throws {
        let bits = [true, false, true, false, false, true, true, false, true]
        #expect(ImageOutcomes(bits).hex == "a68")
        try withTemporaryFolder { folder in
            let path = folder + "/o.txt"
            try ImageOutcomes(bits).write(to: path)
            #expect(try text(of: path) == "a68\n")
            #expect(try ImageOutcomes(contentsOf: path, of: row(correct: 5, best: nil, images: 9)).correct == bits)
        }
    }

    /// All worse, McNemar's p is 2·2⁻²⁰ = 1.9e-6 for 20 images and half of it for 21; evenly, the share decides.
    @Test(arguments: [
        (20, 0, 0.15, true), (21, 0, 0.15, false), (0, 21, 0.15, false), (75, 75, 0.15, true), (76, 75, 0.15, false), (0, 0, 0, true),
        (1, 0, 0, false)
    ])
    func outcomesOfOneNetworkAgree(lost: Int, gained: Int, share: Double, agree: Bool) {
        let run = (0..<1000).map { $0 < 500 }
        let found = (0..<1000).map { $0 < 500 - lost || 999 - $0 < gained }
        #expect(ImageOutcomes(run).differing(from: ImageOutcomes(found)) == lost + gained)
        #expect(ImageOutcomes(run).agree(with: ImageOutcomes(found), upTo: share) == agree)
        #expect(!ImageOutcomes(run).agree(with: ImageOutcomes(found + [true]), upTo: 0))
    }

    @Test(arguments: [
        ("a68\n", 6, 9, "marks 5 images as correct, but the run has 6"), ("a69\n", 6, 9, "for 9 images"), ("a6\n", 4, 9, "for 9 images"),
        ("a680\n", 5, 9, "for 9 images"), ("ag8\n", 3, 9, "for 9 images"), ("a6\n8\n", 5, 9, "for 9 images"), ("", 0, 9, "for 9 images")
    ])
    func badFilesAreNamed(content: String, correct: Int, images: Int, expected: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/o.txt"
            try Data(content.utf8).write(to: URL(fileURLWithPath: path))
            let said = message { _ = try ImageOutcomes(contentsOf: path, of: row(correct: correct, best: nil, images: images)) }
            #expect(said.hasPrefix(path) && said.contains(expected), "\(said)")
        }
    }
}

@Suite struct GroupTests {
    /// Mean of 91.23, 91.33 and 91.43; its half width is t(0.975, 2 degrees) · 0.1/√3 = 4.302653 · 0.057735 = 0.248414
    /// (t from the tables of Pearson and Hartley). Runs of another recipe, data origin, precision or cell stay out of it.
    @Test func seedsShareAMeanOnlyWhenAllElseIsEqual() throws {
        let others = [
            try row(method: .bc), try row(seed: 4, digest: "other"), try row(seed: 5, origin: .unofficial),
            try row(seed: 6, precision: .mixed), try row(cell: "resnet20-1w4a-bcgd-minimum", seed: 7)
        ]
        let groups = RunGroup.all(of: [try row(seed: 2, correct: 9133)] + others + [try row(seed: 1), try row(seed: 3, correct: 9143)])
        #expect(groups.map(\.seeds) == [[1, 2, 3], [1], [4], [5], [6], [7]])
        let top1 = try #require(groups[0].top1)
        #expect(abs(top1.mean - 91.33) < 1e-9)
        let interval = try #require(top1.interval)
        #expect(abs(interval.low - (91.33 - 0.248414)) < 1e-5 && abs(interval.high - (91.33 + 0.248414)) < 1e-5)
        #expect(groups[1].top1?.interval == (try row()).interval)
    }

    @Test func sectionsOfADatasetStandTogether() throws {
        let runs = [
            try row(dataset: "CIFAR-10"), try row(dataset: "imagenet"), try row(dataset: "CIFAR-10", origin: .unofficial),
            try row(dataset: "CIFAR-10")
        ]
        #expect(Section.all(of: runs).map(\.slug) == ["cifar-10-smoke", "cifar-10-smoke-unofficial", "imagenet-smoke"])
    }

    /// Two seeds, 98 and 99 %: Student's half width is 12.706 · 0.5 = 6.35 points (t with one degree of freedom, as above).
    @Test func intervalsOfAccuraciesEndAtAHundred() throws {
        let runs = [try row(seed: 1, correct: 9800, best: 9800), try row(seed: 2, correct: 9900, best: 9900)]
        let interval = try #require(RunGroup.all(of: runs)[0].top1?.interval)
        #expect(abs(interval.low - (98.5 - 6.3531)) < 1e-3 && interval.high == 100)
    }

    /// Given weights are the same network with every seed: equal accuracies of two seeds say nothing about the spread of seeds.
    @Test func weightsThatWereNotTrainedAreOneNetwork() throws {
        let runs = try (1...2).map {
            var run = try row(seed: UInt64($0))
            run.epochs = 0
            return run
        }
        #expect(RunGroup.all(of: runs).map(\.top1?.interval) == [try row().interval])
    }

    /// 91.33 − 64.36 (arXiv 1808.05240, abstract) with the interval above; nothing is reported for BC on Fashion-MNIST.
    @Test func differenceToTheReportedNumber() throws {
        let runs = try (1...3).map { try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd", seed: UInt64($0), correct: 9113 + 10 * $0) }
        let difference = try #require(RunGroup.all(of: runs)[0].difference)
        #expect(abs(difference.value - 26.97) < 1e-9)
        let interval = try #require(difference.interval)
        #expect(abs(interval.low - (26.97 - 0.248414)) < 1e-5 && abs(interval.high - (26.97 + 0.248414)) < 1e-5)
        #expect(RunGroup.all(of: [try row(method: .bc)])[0].difference == nil)
    }
}

@Suite struct PairedComparisonTests {
    private func group(_ method: Recipe.Method, _ correct: [UInt64: Int], precision: Precision = .f32) throws -> RunGroup {
        RunGroup.all(of: try correct.map { try row(method: method, seed: $0, correct: $1, best: nil, precision: precision, images: 12) })[0]
    }

    /// Seeds 2 and 3 are common; with 12 images the differences are 100·(2/12) and 100·(1/12). Unpaired means would give another one.
    @Test func onlyCommonSeedsArePaired() throws {
        let pair = try #require(
            PairedComparison(try group(.bcgd, [1: 0, 2: 8, 3: 6]), try group(.bc, [2: 6, 3: 5, 4: 12]), outcomes: { _ in nil }))
        #expect(pair.seeds == [2, 3])
        #expect(zip(pair.differences, [100 / 6.0, 100 / 12.0]).allSatisfy { abs($0 - $1) < 1e-9 } && pair.differences.count == 2)
        #expect(abs(pair.difference - 12.5) < 1e-9)
        // t = mean / (s/√2) = 12.5 / (5.892557/1.414214) = 3; one degree of freedom is Cauchy: p = 1 − 2·atan(3)/π.
        let test = try #require(pair.tTest)
        #expect(abs(test.statistic - 3) < 1e-9 && abs(test.pValue - (1 - 2 * atan(3) / .pi)) < 1e-9)
        #expect(pair.mcNemar.allSatisfy { $0 == nil })
    }

    /// Two seeds with 0.40 points between the cells each, and 0.40, 0.40 and 0.41: Student's interval and t need a spread. By hand
    /// for the three: mean 0.403333, s/√3 = 0.003333, t = 121, half width 4.302653 · 0.003333 = 0.014342.
    @Test func equalDifferencesTellNothingOfTheirSpread() throws {
        func pair(_ differences: [Int]) throws -> PairedComparison {
            func group(_ method: Recipe.Method, _ count: (Int) -> Int) throws -> RunGroup {
                RunGroup.all(of: try differences.indices.map { try row(method: method, seed: UInt64($0), correct: count($0), best: nil) })[
                    0]
            }
            return try #require(
                PairedComparison(try group(.bcgd) { 9000 + 7 * $0 + differences[$0] }, try group(.bc) { 9000 + 7 * $0 }) { _ in nil })
        }
        for differences in [[40, 40], [-40, -40, -40], [0, 0], [0, 0, 0]] {
            let equal = try pair(differences)
            #expect(equal.interval == nil && equal.tTest == nil && abs(equal.difference - Double(differences[0]) / 100) < 1e-12)
        }
        let unequal = try pair([40, 40, 41])
        let (interval, test) = (try #require(unequal.interval), try #require(unequal.tTest))
        #expect(abs(interval.low - (0.4033333 - 0.0143422)) < 1e-6 && abs(interval.high - (0.4033333 + 0.0143422)) < 1e-6)
        #expect(abs(test.statistic - 121) < 1e-6)
    }

    @Test func nothingInCommonIsNoComparison() throws {
        let bcgd = try group(.bcgd, [1: 6])
        #expect(try PairedComparison(bcgd, group(.bc, [2: 6]), outcomes: { _ in nil }) == nil)
        #expect(try PairedComparison(bcgd, group(.bc, [1: 6], precision: .mixed), outcomes: { _ in nil }) == nil)
        let one = try #require(PairedComparison(bcgd, try group(.bc, [1: 3]), outcomes: { _ in nil }))
        #expect(one.tTest == nil && one.interval == nil && one.difference == 25)
    }

    /// First right on images 1–8, second on 7–12: 6 only first, 4 only second, of 10. Exact binomial, by hand:
    /// 2·P(X ≤ 4) = 2·(1 + 10 + 45 + 120 + 210)/1024 = 772/1024.
    @Test func mcNemarFromKnownBits() throws {
        let pair = try #require(
            PairedComparison(
                try group(.bcgd, [1: 8]), try group(.bc, [1: 6]),
                outcomes: {
                    ImageOutcomes((1...12).map { [isFirst = $0.condition.method == .bcgd] image in isFirst ? image <= 8 : image >= 7 })
                }))
        let outcome = try #require(pair.mcNemar[0])
        #expect(outcome.onlyFirst == 6 && outcome.onlySecond == 4)
        #expect(abs(outcome.test.pValue - 772.0 / 1024) < 1e-12)
    }
}

@Suite struct ResultsTableTests {
    private func table(_ runs: [RunRow], outcomes: (RunRow) throws -> ImageOutcomes? = { _ in nil }) throws -> ResultsTable {
        try ResultsTable(
            runs, columns: [.bits, .setting(.method), .setting(.blending)],
            cells: ["resnet20-1w4a-bcgd", "resnet20-1w4a-bc", "resnet20-1w4a-none"],
            comparisons: [["resnet20-1w4a-bcgd", "resnet20-1w4a-bc"]], outcomes: outcomes)
    }

    /// Values by hand from the counts; the intervals of 9123 of 10000 as in `RunRowTests`.
    @Test func rowsAreTheTablesCellsInItsOrder() throws {
        let table = try table([
            try row(method: .bc, blending: 0), try row(cell: "unlisted"), try row(precision: .mixed), try row(seed: 2), try row()
        ])
        let none = "not available in the sources at hand"
        #expect(table.missing == ["resnet20-1w4a-none"])
        let accuracy = "91.23 [90.66, 91.78]"
        #expect(
            table.accuracies.rows == [
                ["1W4A", "bcgd", "1e-05", "f32", "3", "1, 2", "91.23", "91.50", "–", "–", none],
                ["1W4A", "bcgd", "1e-05", "mixed", "3", "1", accuracy, "91.50", "–", "–", none],
                ["1W4A", "bc", "0", "f32", "3", "1", accuracy, "91.50", "–", "–", none]
            ])
        #expect(table.differences?.rows == [["resnet20-1w4a-bcgd", "resnet20-1w4a-bc", "f32", "1", "0.00", "–", "–"]])
        #expect(table.images == nil)
        #expect(table.markdown.contains("Best on test (no result)") && table.markdown.contains("Without a run: resnet20-1w4a-none."))
        #expect(table.latex.contains("1W4A & bc & 0 & f32 & 3 & 1 & 91.23 {[}90.66, 91.78{]} & 91.50 & \(none) \\\\\n"))
        #expect(!table.latex.contains("Difference"))
    }

    /// Seed 1 is of another recipe than seeds 2 and 3, so it has rows of its own; the comparison is over all three: differences of 2.16,
    /// 3.25 and 1.25 points, mean 2.22, s/√3 = 0.578129, half width 4.302653 · 0.578129 = 2.4875, t = 3.83997, p = 1 − t/√(2 + t²).
    /// Where both recipes have a seed, there are two differences of it, and two comparisons.
    @Test func seedsOfSeveralRecipesAreComparedTogether() throws {
        func runs(_ seeds: [UInt64], _ digest: String) throws -> [RunRow] {
            try seeds.flatMap { seed in
                let (bcgd, bc) = [(8938, 8722), (8907, 8582), (8887, 8762)][Int(seed) - 1]
                let other = try row(method: .bc, blending: 0, seed: seed, correct: bc, digest: digest)
                return [try row(seed: seed, correct: bcgd, digest: digest), other]
            }
        }
        let cells = ["resnet20-1w4a-bcgd", "resnet20-1w4a-bc", "f32"]
        let apart = try table(runs([1], "11111111") + runs([2, 3], "22222222"))
        #expect(apart.accuracies.rows.map { $0[5] } == ["1", "2, 3", "1", "2, 3"])
        #expect(apart.differences?.rows == [cells + ["1, 2, 3", "2.22 [-0.27, 4.71]", "0.0616", "0.0616"]])
        let twice = try table(runs([1, 2], "11111111") + runs([2, 3], "22222222"))
        #expect(twice.differences?.rows.map { $0[3] } == ["1, 2", "2", "2", "2, 3"])
    }

    /// Of a cell with a reported number (64.36 %, `Experiments/reported.csv`) LaTeX has the number, the difference and the source.
    @Test func latexHasReportedNumbers() throws {
        let run = try row(dataset: "imagenet", cell: "resnet18-1w4a-bcgd", correct: 6536)
        let table = ResultsTable([run], columns: [.bits], cells: ["resnet18-1w4a-bcgd"], comparisons: [], outcomes: { _ in nil })
        #expect(table.latex.contains("& 64.36 & 1.00 {[}") && table.latex.contains("& arXiv 1808.05240 abstract \\\\\n"), "\(table.latex)")
    }

    /// Seeds that diverged stand in rows of their own, by epoch, are in no mean, and are compared with nothing.
    @Test func divergedRunsAreMarked() throws {
        let diverged = try (3...5).map {
            var run = try row(seed: UInt64($0), correct: nil, best: nil)
            run.epochs = $0 / 4
            return run
        }
        let table = try table([try row(seed: 1), try row(seed: 2), try row(method: .bc, seed: 3)] + diverged)
        #expect(
            table.accuracies.rows.map { $0[4...7] } == [
                ["3", "1, 2", "91.23", "91.50"], ["0", "3", "diverged in epoch 1", "–"], ["1", "4, 5", "diverged in epoch 2", "–"],
                ["3", "3", "91.23 [90.66, 91.78]", "91.50"]
            ])
        #expect(table.differences == nil && table.missing == ["resnet20-1w4a-none"])
    }

    /// f32 differences 1, 2, 3 points: t = 2/(1/√3) = 3.4641 at 2 degrees, p = 1 − t/√(t² + 2) = 0.0742; mixed 1, 1.5, 2:
    /// t = 1.5/(0.5/√3) = 5.1962, p = 0.0351. Holm's: 2·0.0351 = 0.0702, then the larger of that and 0.0742.
    @Test func holmRunsOverTheTablesTests() throws {
        let f32 = try (1...3).flatMap {
            [try row(seed: UInt64($0), correct: 9000 + 100 * $0), try row(method: .bc, seed: UInt64($0), correct: 9000)]
        }
        let mixed = try (1...3).flatMap {
            [
                try row(seed: UInt64($0), correct: 9050 + 50 * $0, precision: .mixed),
                try row(method: .bc, seed: UInt64($0), correct: 9000, precision: .mixed)
            ]
        }
        let rows = try #require(try table(f32 + mixed).differences?.rows)
        #expect(rows.map { $0[2] } == ["f32", "mixed"])
        #expect(rows.map { $0[5] } == ["0.0742", "0.0351"] && rows.map { $0[6] } == ["0.0742", "0.0702"])
        #expect(ResultsTable.notes.contains("over all tests of one kind in one table of a section."))
    }
}

@Suite struct ImageComparisonTests {
    /// Of 12 images BCGD gets the first 8 right. Seed 1: BC all 12, so 0 only first, 4 only second, p = 2/2⁴ = 0.1250; seed 2:
    /// BC none, so 8 only first, p = 2/2⁸ = 0.0078, twice that by Holm; seed 3 has no outcomes for BC. The data origins do not mix.
    @Test func rowsHaveKnownCountsAndHolmRunsOverThem() throws {
        let runs = try (1...3).flatMap { seed in
            [
                try row(seed: UInt64(seed), correct: 8, best: nil, images: 12),
                try row(method: .bc, seed: UInt64(seed), correct: [12, 0, 5][seed - 1], best: nil, images: 12)
            ]
        }
        let unofficial = try row(method: .bc, seed: 1, correct: 0, best: nil, origin: .unofficial, images: 12)
        let table = ResultsTable(
            runs + [unofficial], columns: [], cells: [], comparisons: [["resnet20-1w4a-bcgd", "resnet20-1w4a-bc"]],
            outcomes: { run in
                if run.condition.method == .bcgd { return ImageOutcomes((1...12).map { $0 <= 8 }) }
                return run.seed == 3 ? nil : ImageOutcomes(Array(repeating: run.seed == 1, count: 12))
            })
        let names = ["resnet20-1w4a-bcgd", "resnet20-1w4a-bc", "f32"]
        #expect(table.comparisons.count == 1)
        #expect(table.images?.rows == [names + ["1", "0", "4", "0.1250", "0.1250"], names + ["2", "8", "0", "0.0078", "0.0156"]])
    }
}

@Suite struct ValidationCurveTests {
    /// Only the epochs of all runs.
    @Test func meanOverTheRunsThatHaveTheEpoch() {
        let curve = ValidationCurve(label: "", runs: [[1: 80, 2: 85, 3: 86], [1: 82, 2: 85]])
        #expect(curve.points == [.init(epoch: 1, mean: 81, range: 80...82), .init(epoch: 2, mean: 85, range: 85...85)])
        #expect(ValidationCurve(label: "", runs: [[1: 80]]).points == [.init(epoch: 1, mean: 80, range: nil)])
    }

    /// ρ = 0 stands a decade left of the smallest factor.
    @Test func blendingSweep() throws {
        let groups = RunGroup.all(of: [try row(method: .bc, blending: 0), try row(blending: 1e-3), try row(cell: "x", blending: 1e-2)])
        let figure = blendingFigure(name: "f", title: "t", series: [("s", groups)])
        let table = figure.data[0].table
        #expect(table.rows.indices.map { table[$0, "x"] } == ["0.0001", "0.001", "0.01"])
        #expect(table.rows.indices.map { table[$0, "rho"] } == ["0.0", "0.001", "0.01"])
        try withTemporaryFolder { try Gnuplot().draw(figure, in: $0) }
    }
}
