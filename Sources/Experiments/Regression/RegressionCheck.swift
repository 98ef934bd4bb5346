// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting

/// Trains new seeds and compares them with the recorded ones.
public struct RegressionCheck {
    /// How many seeds a check takes, and which is the first: other ones than those that are recorded.
    public static let standardSeeds = 3
    private static let firstSeed: UInt64 = 1001

    private let runner: RegressionRunner
    private let test: RegressionTest
    /// The recorded seeds, and bits.
    private let file, digestFile: String
    private let seeds: Int

    /// - Parameters:
    ///   - runner: trains the plan's runs.
    ///   - baseline: the folder of the recorded seeds, `seeds.csv`, and bits, `digests.csv`.
    ///   - seeds: of each data set and precision, 1 or more.
    public init(_ runner: RegressionRunner, baseline: String, seeds: Int) {
        (self.runner, file, digestFile, self.seeds) = (runner, "\(baseline)/seeds.csv", "\(baseline)/digests.csv", seeds)
        test = RegressionTest(statistics: runner.plan.statistics.count)
    }

    /// - Parameters:
    ///   - sets: images to train on.
    ///   - precisions: each trains on all of them.
    ///   - out: of the folder that takes `regress.csv`, the verdicts; `nil` to write none.
    /// - Returns: whether nothing has changed; `nil` when somebody asked to stop.
    /// - Throws: `FileError` where there is no baseline for these images and this plan.
    public func run(_ sets: [ImageDataset], _ precisions: [Precision], out: String?) throws -> Bool? {
        let plan = runner.plan
        let recorded =
            FileManager.default.fileExists(atPath: file)
            ? try RegressionSamples(contentsOf: file) : RegressionSamples(statistics: plan.statistics)
        let expected = try sets.flatMap { images in
            try precisions.map { precision in
                (
                    images, precision,
                    try recorded.baseline(
                        RegressionGroup(images.id, precision), statistics: plan.statistics, dataChecksum: images.checksum,
                        recipeDigest: plan.digest)
                )
            }
        }
        if let out { try makeFolder(out) }
        var table = CSVTable(header: Self.columns)
        var failed: [String] = []
        for (images, precision, samples) in expected {
            var new: [RegressionSample] = []
            for seed in 0..<UInt64(seeds) {
                guard let sample = try runner.sample(images, precision, seed: Self.firstSeed + seed) else { return nil }
                new.append(sample)
            }
            for verdict in test.verdicts(plan.statistics, baseline: samples, new: new) {
                say("\(images.name) \(precision.rawValue): \(verdict.line)")
                table.append(Self.row(verdict, of: samples, new))
                if verdict.isRegression { failed.append(verdict.statistic) }
            }
            if let out { try table.write(to: "\(out)/regress.csv") }
        }
        var changed: [String] = []
        for (images, precision, _) in expected where precision == .s16 {
            guard let digests = try RegressionDigests(runner, images) else { return nil }
            changed += try digests.changed(since: digestFile)
        }
        let remedy = "If that is meant, record anew with `reproduce regress --record`."
        if !changed.isEmpty {
            say("\(changed.count) runs in s16 learn other bits than \(digestFile) has: the arithmetic has changed. \(remedy)")
        }
        if !failed.isEmpty {
            say("\(failed.count) of \(table.rows.count) statistics are not what \(file) predicts: behaviour has changed. \(remedy)")
        }
        guard changed.isEmpty && failed.isEmpty else { return false }
        let tested = table.rows.indices.count { table[$0, "verdict"] != RegressionVerdict.Outcome.notTested.rawValue }
        say("all \(tested) statistics that can be tested lie where \(file) predicts them")
        return true
    }

    private static let columns = [
        "dataset", "precision", "statistic", "verdict", "value", "expected_low", "expected_high", "t", "p", "seeds", "baseline_seeds",
        "data_crc32", "data_origin", "recipe", "recipe_digest", "threads", "commit", "baseline_commit", "how"
    ]

    /// Of the file of verdicts.
    private static func row(_ verdict: RegressionVerdict, of baseline: [RegressionSample], _ new: [RegressionSample]) -> [String] {
        let facts = new[0].provenance
        let numbers = [verdict.value, verdict.interval?.low, verdict.interval?.high, verdict.statisticT, verdict.pValue]
        return [new[0].dataset.name, new[0].precision.rawValue, verdict.statistic, verdict.outcome.rawValue]
            + numbers.map { $0.map { String(format: "%.6g", $0) } ?? "" }
            + [
                new.map { "\($0.seed)" }.joined(separator: " "), "\(baseline.count)", new[0].dataChecksum, facts.dataOrigin.rawValue,
                facts.recipe,
                facts.recipeDigest, "\(facts.threads)", facts.commit, baseline[0].provenance.commit, facts.how
            ]
    }
}
