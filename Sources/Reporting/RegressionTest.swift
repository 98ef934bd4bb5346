// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Whether new seeds behave as the recorded ones did.
///
/// A correct change may alter the bits of a run, and then is like a new seed: the mean over the new seeds of each statistic
/// lies in Student's prediction interval from the recorded seeds. By Bonferroni's bound the intervals of all statistics
/// together fail with probability below `falseAlarm`, whatever their dependence.
public struct RegressionTest: Sendable {
    public static let falseAlarm = 1e-4
    public static let fewestSeeds = 10

    /// For each single statistic.
    public let tail: Double

    /// - Parameter statistics: their number for one data set and precision; a call may look at two of each.
    public init(statistics: Int) {
        precondition(statistics > 0)
        tail = Self.falseAlarm / Double(4 * statistics)
    }

    /// - Parameters:
    ///   - baseline, new: the statistic's values, seed by seed. A new one that is no number is a regression.
    public func verdict(_ statistic: String, baseline: [Double], new: [Double]) -> RegressionVerdict {
        let test = predictionTest(baseline, new: new)
        return RegressionVerdict(
            statistic: statistic, value: new.reduce(0, +) / Double(new.count),
            interval: predictionInterval(baseline, newCount: new.count, level: 1 - tail), statisticT: test.statistic, pValue: test.pValue,
            isRegression: !(test.pValue >= tail))
    }
}

/// What became of one statistic.
public struct RegressionVerdict: Equatable, Sendable {
    public let statistic: String
    /// Mean over the new seeds.
    public let value: Double
    /// Where it was expected.
    public let interval: Interval
    /// Student's t of the difference, and its two-sided probability, without any correction.
    public let statisticT, pValue: Double
    public let isRegression: Bool

    /// For the terminal.
    public var line: String {
        let numbers = "\(sixDigits(value)) in [\(sixDigits(interval.low)), \(sixDigits(interval.high))]"
        return isRegression ? "REGRESSION \(statistic): \(numbers.replacing(" in ", with: " not in ")), p = \(String(format: "%.1e", pValue))" : "ok \(statistic): \(numbers)"
    }
}

extension RegressionSamples {
    /// What is expected of the mean of `newSeeds` new seeds, from the recorded ones: one row a data set, precision and
    /// statistic, with Anderson and Darling's test that the recorded values are normal (Holm's adjustment over all rows).
    public func intervals(_ test: RegressionTest, newSeeds: Int) -> CSVTable {
        let groups = samples.map { [$0.dataset, $0.precision] }.reduce(into: [[String]]()) { if !$0.contains($1) { $0.append($1) } }
        let cells = groups.flatMap { group in
            let members = samples.filter { [$0.dataset, $0.precision] == group }
            return members.count < RegressionTest.fewestSeeds ? [] : statistics.indices.map { (index: $0, members: members) }
        }
        let normality = cells.map { index, members in andersonDarlingNormality(members.map { $0.values[index] }).pValue }
        let rows = zip(cells, zip(normality, holmAdjusted(normality))).map { cell, p in
            let (first, values) = (cell.members[0], cell.members.map { $0.values[cell.index] })
            let (mean, interval) = studentInterval(values)
            let expected = predictionInterval(values, newCount: newSeeds, level: 1 - test.tail)
            let numbers = [mean, interval.low, interval.high, expected.low, expected.high, p.0, p.1].map(sixDigits)
            let commits = Set(cell.members.map(\.provenance.commit)).sorted().joined(separator: " ")
            return [first.dataset, first.precision, statistics[cell.index], "\(values.count)"] + numbers.prefix(3) + ["\(newSeeds)"]
                + numbers.suffix(4) + [first.provenance.recipeDigest, first.dataChecksum, commits]
        }
        let header = [
            "dataset", "precision", "statistic", "seeds", "mean", "ci95_low", "ci95_high", "new_seeds", "expected_low", "expected_high",
            "p_normal", "p_normal_holm", "recipe_digest", "data_crc32", "commit",
        ]
        return CSVTable(header: header, rows: rows)
    }
}
