// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Foundation
import Reporting
import Statistics

/// Whether new seeds behave as the recorded ones did.
///
/// A correct change may alter the bits of a run, and then is like a new seed: the mean over the new seeds of each statistic
/// lies in Student's prediction interval from the recorded seeds. By Bonferroni's bound the intervals of all statistics
/// together fail with probability below `falseAlarm`, whatever their dependence, where values over seeds are normal. Those
/// of a statistic that Anderson and Darling's test finds not to be so are shown and not tested.
public struct RegressionTest: Sendable {
    public static let falseAlarm = 1e-4
    public static let fewestSeeds = 10
    /// Statistics whose recorded values are normal with less probability than this (Holm's adjustment) are not tested.
    public static let normalityLevel = 0.05

    /// For each single statistic.
    public let tail: Double

    /// - Parameter statistics: their number for one data set and precision; a call may look at two data sets in every precision.
    public init(statistics: Int) {
        precondition(statistics > 0)
        tail = Self.falseAlarm / Double(2 * Precision.allCases.count * statistics)
    }

    /// The verdicts on all statistics of one data set and precision.
    /// - Parameters:
    ///   - statistics: their names, in the order of a sample's values.
    ///   - baseline: samples of at least `fewestSeeds` seeds.
    ///   - new: samples of one seed or more.
    public func verdicts(_ statistics: [String], baseline: [RegressionSample], new: [RegressionSample]) -> [RegressionVerdict] {
        let normality = Self.normality(of: baseline).adjusted
        return statistics.indices.map { index in
            verdict(
                statistics[index], baseline: baseline.map { $0.values[index] }, new: new.map { $0.values[index] },
                isTested: normality[index] >= Self.normalityLevel)
        }
    }

    /// For each statistic the probability by Anderson and Darling's test, and after Holm's adjustment over all of them.
    static func normality(of samples: [RegressionSample]) -> (single: [Double], adjusted: [Double]) {
        let single = (samples.first?.values ?? []).indices.map { index in andersonDarlingNormality(samples.map { $0.values[index] }).pValue
        }
        return (single, holmAdjusted(single))
    }

    /// - Parameters:
    ///   - statistic: its name.
    ///   - baseline: its values, seed by seed.
    ///   - new: its values now; one that is no number is a regression, tested or not.
    ///   - isTested: false where the baseline does not pass for normal; then only what is no number counts.
    public func verdict(_ statistic: String, baseline: [Double], new: [Double], isTested: Bool = true) -> RegressionVerdict {
        let test = predictionTest(baseline, new: new)
        let p = isTested ? test?.pValue : nil
        let isRegression = p.map { !($0 >= tail) } ?? !new.allSatisfy(\.isFinite)
        return RegressionVerdict(
            statistic: statistic, value: new.reduce(0, +) / Double(new.count),
            interval: predictionInterval(baseline, newCount: new.count, level: 1 - tail), statisticT: test?.statistic, pValue: test?.pValue,
            outcome: isRegression ? .regression : p == nil ? .notTested : .ok)
    }
}

/// What became of one statistic.
public struct RegressionVerdict: Equatable, Sendable {
    public enum Outcome: String, Sendable {
        case ok, regression
        /// The recorded values are not normal, so that the interval means nothing, or all the same, so that there is none.
        case notTested = "not tested"
    }

    public let statistic: String
    /// Mean over the new seeds.
    public let value: Double
    /// Where it was expected; nil where the recorded values are all the same.
    public let interval: Interval?
    /// Student's t of the difference, and its two-sided probability, without any correction; nil likewise.
    public let statisticT, pValue: Double?
    public let outcome: Outcome
    public var isRegression: Bool { outcome == .regression }

    /// For the terminal.
    public var line: String {
        let range = interval.map { "[\(sixDigits($0.low)), \(sixDigits($0.high))]" } ?? "the value of every recorded seed"
        let p = pValue.map { ", p = \(String(format: "%.1e", $0))" } ?? ""
        return switch outcome {
        case .ok: "ok \(statistic): \(sixDigits(value)) in \(range)"
        case .regression: "REGRESSION \(statistic): \(sixDigits(value)), expected in \(range)\(p)"
        case .notTested:
            "not tested (recorded seeds are \(interval == nil ? "all the same" : "not normal")) \(statistic): \(sixDigits(value))"
        }
    }
}

extension RegressionSamples {
    /// What is expected of the mean of `newSeeds` new seeds, from the recorded ones: one row a data set, precision and
    /// statistic, with Anderson and Darling's test that the recorded values are normal (Holm's adjustment over a data set's and
    /// precision's).
    public func intervals(_ test: RegressionTest, newSeeds: Int) -> CSVTable {
        func text(_ value: Double?) -> String { value.map(sixDigits) ?? "" }
        let groups = samples.map(\.group).uniqued()
        let rows = groups.flatMap { group -> [[String]] in
            let members = samples.filter { $0.group == group }
            guard members.count >= RegressionTest.fewestSeeds else { return [] }
            let normality = RegressionTest.normality(of: members)
            let commits = Set(members.map(\.provenance.commit)).sorted().joined(separator: " ")
            return statistics.indices.map { index in
                let values = members.map { $0.values[index] }
                let (mean, interval) = studentInterval(values)
                let expected = predictionInterval(values, newCount: newSeeds, level: 1 - test.tail)
                return [group.dataset.name, group.precision.rawValue, statistics[index], "\(values.count)"]
                    + [mean, interval?.low, interval?.high].map(text) + ["\(newSeeds)"]
                    + [expected?.low, expected?.high, normality.single[index], normality.adjusted[index]].map(text)
                    + [
                        normality.adjusted[index] >= RegressionTest.normalityLevel ? "yes" : "no", members[0].provenance.recipeDigest,
                        members[0].dataChecksum, commits
                    ]
            }
        }
        let header = [
            "dataset", "precision", "statistic", "seeds", "mean", "ci95_low", "ci95_high", "new_seeds", "expected_low", "expected_high",
            "p_normal", "p_normal_holm", "tested", "recipe_digest", "data_crc32", "commit"
        ]
        return CSVTable(header: header, rows: rows)
    }
}
