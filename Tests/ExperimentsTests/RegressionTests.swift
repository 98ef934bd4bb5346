// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import Reporting
import Statistics
import TestSupport
import Testing

private let statistics = ["float.test_loss", "bcgd.resolution"]

private func sample(seed: UInt64, precision: Precision = .f32, data: String = "0000000a", digest: String = "0000000b", _ values: [Double])
    -> RegressionSample
{
    RegressionSample(
        dataset: DatasetID("Fashion-MNIST"), precision: precision, seed: seed, dataChecksum: data,
        provenance: RunProvenance(
            seconds: 4, threads: 1, commit: "abc1234", recipe: "paper", recipeDigest: digest, dataOrigin: .official,
            how: "reproduce regress --record"),
        values: values)
}

private func recorded(_ seeds: Int = 12) -> RegressionSamples {
    var random = Philox(seed: 3, stream: 0)
    return RegressionSamples(
        statistics: statistics,
        samples: (0..<seeds).map { sample(seed: UInt64($0), [1 + 0.1 * random.normal(), 0.5 + 0.01 * random.normal()]) })
}

@Suite struct RegressionSampleTests {
    @Test func readsWhatItWrites() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/seeds.csv"
            let mixed = sample(seed: 1, precision: .mixed, [0.25, 0.5])
            try recorded().replacing(by: RegressionSamples(statistics: statistics, samples: [mixed])).table.write(to: path)
            let read = try RegressionSamples(contentsOf: path)
            #expect(read.statistics == statistics && read.samples.count == 13 && read.samples.last == mixed)
            #expect(try RegressionSamples(contentsOf: path).table.text == text(of: path))
            // A recording takes the place of the same data set and precision, and of no other.
            let new = RegressionSamples(statistics: statistics, samples: [sample(seed: 7, [2, 2])])
            #expect(read.replacing(by: new).samples == [mixed] + new.samples)
        }
    }

    @Test(arguments: [
        (",0,0000000a", ",minus,0000000a", "row 1, seed"), ("official", "stolen", "row 1, data_origin"),
        ("float.test_loss", "precision", "is named twice"), (",f32,", ",f64,", "row 1, precision: expected one of f32, mixed"),
        ("data_crc32", "crc", "expected the columns"), (",1,0000000a", ",0,0000000a", "row 2, seed: expected each seed once")
    ])
    func badFilesAreNamed(old: String, new: String, expected: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/seeds.csv"
            let good = recorded().table.text
            #expect(good.contains(old))
            try Data(good.replacingOccurrences(of: old, with: new).utf8).write(to: URL(fileURLWithPath: path))
            let said = message { _ = try RegressionSamples(contentsOf: path) }
            #expect(said.hasPrefix(path) && said.contains(expected), "\(said)")
        }
    }

    @Test func valuesMustBeNumbers() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/seeds.csv"
            for bad in ["nan", "inf", "", "x"] {
                let header = recorded(0).table.text
                try Data((header + "Fashion-MNIST,f32,1,a,official,paper,b,1,4.0,c,h,0.5,\(bad)\n").utf8).write(
                    to: URL(fileURLWithPath: path))
                #expect(message { _ = try RegressionSamples(contentsOf: path) }.contains("row 1, bcgd.resolution: expected"))
            }
        }
    }

    /// What does not fit is refused, and the message says what and what to do.
    @Test func baselinesThatDoNotFit() throws {
        func said(
            _ samples: RegressionSamples, precision: Precision = .f32, data: String = "0000000a", digest: String = "0000000b",
            _ names: [String] = statistics
        ) -> String {
            message {
                _ = try samples.baseline(
                    RegressionGroup(DatasetID("Fashion-MNIST"), precision), statistics: names, dataChecksum: data, recipeDigest: digest)
            }
        }
        let fitting = RegressionGroup(DatasetID("Fashion-MNIST"), .f32)
        #expect(throws: Never.self) {
            try recorded().baseline(fitting, statistics: statistics, dataChecksum: "0000000a", recipeDigest: "0000000b")
        }
        for (found, expected) in [
            (said(recorded(), precision: .mixed), "none was recorded"),
            (said(recorded(), digest: "0000000c"), "recipe 0000000b, now it is 0000000c"),
            (said(recorded(), data: "0000000d"), "other images (CRC-32 0000000a, here 0000000d)"),
            (said(recorded(9)), "9 seeds, 10 are needed"),
            (said(recorded(), ["float.test_loss", "float.rate"]), "other statistics")
        ] {
            #expect(found.contains(expected) && found.contains("reproduce regress --record"), "\(found)")
        }
        let constant = RegressionSamples(statistics: statistics, samples: (0..<10).map { sample(seed: $0, [Double($0), 1]) })
        #expect(said(constant).contains("bcgd.resolution is the same with every seed"))
    }
}

@Suite struct RegressionTestTests {
    /// The interval is that of `PredictionTests` with the level of one among 6·10, two data sets in three precisions; just beyond either
    /// end is a regression.
    @Test func verdictsTurnAtTheEnds() throws {
        let baseline = recorded().samples.map { $0.values[0] }
        let test = RegressionTest(statistics: 10)
        #expect(abs(test.tail - 1e-4 / 60) < 1e-20)
        let ends = try #require(predictionInterval(baseline, newCount: 3, level: 1 - 1e-4 / 60))
        for (value, isRegression) in [
            (ends.low - 1e-9, true), (ends.low + 1e-9, false), (ends.high - 1e-9, false), (ends.high + 1e-9, true)
        ] {
            let verdict = test.verdict("x", baseline: baseline, new: [value, value, value])
            #expect(
                verdict.isRegression == isRegression && verdict.interval == ends && verdict.line.hasPrefix("REGRESSION") == isRegression)
        }
        #expect(test.verdict("x", baseline: baseline, new: [.nan]).isRegression)
        #expect(!RegressionTest(statistics: 1000).verdict("x", baseline: baseline, new: [ends.high + 1e-9]).isRegression)
    }

    /// A statistic with an outlier of ten standard deviations is shown and not tested, but never passes what is no number.
    @Test func whatIsNotNormalIsNotTested() {
        let samples = recorded().samples.map { $0.seed == 5 ? sample(seed: 5, [$0.values[0], 0.7]) : $0 }
        let test = RegressionTest(statistics: 2)
        func outcomes(_ values: [Double]) -> [RegressionVerdict.Outcome] {
            test.verdicts(statistics, baseline: samples, new: [sample(seed: 1001, values)]).map(\.outcome)
        }
        #expect(outcomes([1, 0.5]) == [.ok, .notTested])
        #expect(outcomes([9, 9]) == [.regression, .notTested])
        #expect(outcomes([.nan, .nan]) == [.regression, .regression])
    }

    /// What every recorded seed has alike predicts nothing: no interval of no width, and no verdict but on what is no number.
    @Test func whatHasNoSpreadIsNotTested() {
        let same = RegressionSamples(statistics: statistics, samples: (1...12).map { sample(seed: $0, [0.5, Double($0 * $0 % 7)]) })
        let test = RegressionTest(statistics: 2)
        let baseline = same.samples.map { $0.values[0] }
        for (value, outcome) in [(0.5, RegressionVerdict.Outcome.notTested), (9, .notTested), (.nan, .regression)] {
            let verdict = test.verdict("x", baseline: baseline, new: [value])
            #expect(verdict.outcome == outcome && verdict.interval == nil && verdict.pValue == nil)
        }
        let table = same.intervals(test, newSeeds: 3)
        #expect(["ci95_low", "ci95_high", "expected_low", "expected_high"].allSatisfy { table[0, $0].isEmpty && !table[1, $0].isEmpty })
        #expect(table[0, "mean"] == "0.5" && table[0, "tested"] == "no")
    }

    /// One call's false alarms: 400,000 normal statistics (seed 8) in 10,000 families of 40 at a hundred times the level give 1 % at
    /// most; five standard errors above that are 1.5 %. The tests are independent here, so nearly all of it is reached: 0.5 % at least.
    @Test func familiesFailAsRarelyAsPromised() {
        var random = Philox(seed: 8, stream: 0)
        let alarms = (0..<10_000).count { _ in
            (0..<40).contains { _ in
                let baseline = (0..<12).map { _ in random.normal() }, new = (0..<3).map { _ in random.normal() }
                return predictionTest(baseline, new: new).map { $0.pValue < 100 * RegressionTest(statistics: 10).tail } ?? true
            }
        }
        #expect((50...150).contains(alarms), "\(alarms)")
    }
}

/// What is committed in results/regress.
@Suite struct CommittedBaselineTests {
    private static let folder = URL(fileURLWithPath: experiments).deletingLastPathComponent().path + "/results/regress"

    /// Taken out and tested against the others, at the level of a check, no recorded seed raises an alarm in a statistic that is
    /// tested: else the normal distribution, or a seed, would be far off. With 24 seeds and true normality that happens with
    /// probability below 0.0024. (Without the rule that leaves statistics out, `bcgd.test_loss` fails here.)
    @Test func noRecordedSeedStandsApart() throws {
        let recorded = try RegressionSamples(contentsOf: Self.folder + "/seeds.csv")
        let test = RegressionTest(statistics: recorded.statistics.count)
        for group in Dictionary(grouping: recorded.samples, by: \.group).values {
            #expect(group.count >= RegressionTest.fewestSeeds)
            let outcomes = test.verdicts(recorded.statistics, baseline: group, new: [group[0]]).map(\.outcome)
            #expect(outcomes.count { $0 == .notTested } <= 4, "too few left to test")
            for (index, statistic) in recorded.statistics.enumerated() where outcomes[index] != .notTested {
                for (seed, sample) in group.enumerated() {
                    var others = group.map { $0.values[index] }
                    others.remove(at: seed)
                    let verdict = test.verdict(statistic, baseline: others, new: [sample.values[index]])
                    #expect(!verdict.isRegression, "\(sample.dataset) \(sample.precision.rawValue) seed \(sample.seed): \(verdict.line)")
                }
            }
        }
    }
}
