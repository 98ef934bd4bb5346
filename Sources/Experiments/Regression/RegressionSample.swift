// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting
import Statistics

/// The seeds of one data set in one precision: what is expected of the one says nothing about another.
public struct RegressionGroup: Hashable, CustomStringConvertible, Sendable {
    public let dataset: DatasetID
    public let precision: Precision
    public var description: String { "\(dataset) in \(precision.rawValue)" }

    public init(_ dataset: DatasetID, _ precision: Precision) { (self.dataset, self.precision) = (dataset, precision) }
}

/// What the runs of `reproduce regress` came to with one seed: a row of `seeds.csv`.
public struct RegressionSample: Equatable, Sendable {
    public let dataset: DatasetID
    public let precision: Precision
    public let seed: UInt64
    public var group: RegressionGroup { RegressionGroup(dataset, precision) }
    /// CRC-32 of the images and labels that the runs used.
    public let dataChecksum: String
    /// Its recipe digest is that of the whole plan.
    public let provenance: RunProvenance
    /// One a statistic.
    public let values: [Double]

    public init(dataset: DatasetID, precision: Precision, seed: UInt64, dataChecksum: String, provenance: RunProvenance, values: [Double]) {
        (self.dataset, self.precision, self.seed, self.dataChecksum) = (dataset, precision, seed, dataChecksum)
        (self.provenance, self.values) = (provenance, values)
    }
}

/// `seeds.csv`: one row a data set, precision and seed; where each row comes from, then one column a statistic.
public struct RegressionSamples: Equatable, Sendable {
    static let columns = [
        "dataset", "precision", "seed", "data_crc32", "data_origin", "recipe", "recipe_digest", "threads", "seconds", "commit", "how"
    ]

    public let statistics: [String]
    public private(set) var samples: [RegressionSample]

    public init(statistics: [String], samples: [RegressionSample] = []) {
        precondition(samples.allSatisfy { $0.values.count == statistics.count }, "one value a statistic")
        (self.statistics, self.samples) = (statistics, samples)
    }

    public mutating func append(_ sample: RegressionSample) {
        precondition(sample.values.count == statistics.count, "one value a statistic")
        samples.append(sample)
    }

    /// These without the rows of the data sets and precisions that `new` has, and then `new`.
    public func replacing(by new: RegressionSamples) -> RegressionSamples {
        precondition(new.statistics == statistics, "the same statistics")
        let groups = Set(new.samples.map(\.group))
        return RegressionSamples(statistics: statistics, samples: samples.filter { !groups.contains($0.group) } + new.samples)
    }

    public var table: CSVTable {
        CSVTable(
            header: Self.columns + statistics,
            rows: samples.map { sample in
                let facts = sample.provenance
                return [
                    sample.dataset.name, sample.precision.rawValue, "\(sample.seed)", sample.dataChecksum, facts.dataOrigin.rawValue,
                    facts.recipe,
                    facts.recipeDigest, "\(facts.threads)", String(format: "%.1f", facts.seconds), facts.commit, facts.how
                ] + sample.values.map(sixDigits)
            })
    }

    /// - Throws: `FileError` naming the file, the row and the column when a field is not what its column holds, or when a seed
    ///   is there twice.
    public init(contentsOf path: String) throws {
        let table = try CSVTable(contentsOf: path)
        guard table.header.starts(with: Self.columns), table.header.count > Self.columns.count else {
            throw FileError(
                "\(path):1: expected the columns \(Self.columns.joined(separator: ",")) and then statistics, found "
                    + "\(table.header.joined(separator: ","))"
            )
        }
        statistics = Array(table.header.dropFirst(Self.columns.count))
        samples = []
        for row in table.rows.indices {
            func error(_ column: String, _ expected: String) -> FileError {
                FileError("\(path): row \(row + 1), \(column): expected \(expected), found \"\(table[row, column])\"")
            }
            func number<Number: LosslessStringConvertible>(_ column: String, _ expected: String) throws -> Number {
                guard let value = Number(table[row, column]) else { throw error(column, expected) }
                return value
            }
            guard let origin = RunProvenance.DataOrigin(rawValue: table[row, "data_origin"]) else {
                throw error("data_origin", "official or unofficial")
            }
            let values: [Double] = try statistics.map { column in
                let value: Double = try number(column, "a number")
                guard value.isFinite else { throw error(column, "a finite number") }
                return value
            }
            guard let precision = Precision(rawValue: table[row, "precision"]) else {
                throw error("precision", "one of \(Precision.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            let sample = RegressionSample(
                dataset: DatasetID(table[row, "dataset"]), precision: precision,
                seed: try number("seed", "an integer that is not negative"), dataChecksum: table[row, "data_crc32"],
                provenance: RunProvenance(
                    seconds: try number("seconds", "a number"), threads: try number("threads", "an integer"),
                    commit: table[row, "commit"], recipe: table[row, "recipe"], recipeDigest: table[row, "recipe_digest"],
                    dataOrigin: origin,
                    how: table[row, "how"]),
                values: values)
            guard !samples.contains(where: { ($0.group, $0.seed) == (sample.group, sample.seed) }) else {
                throw error("seed", "each seed once for \(sample.group)")
            }
            samples.append(sample)
        }
    }

    /// The seeds that expectations for these images and this plan may come from.
    /// - Throws: `FileError` saying what does not fit, and that it must be recorded again.
    public func baseline(_ group: RegressionGroup, statistics: [String], dataChecksum: String, recipeDigest: String) throws
        -> [RegressionSample]
    {
        let members = samples.filter { $0.group == group }
        func unfit(_ reason: String) -> FileError {
            FileError("no baseline for \(group): \(reason); record one with `reproduce regress --record`")
        }
        guard !members.isEmpty else { throw unfit("none was recorded") }
        if let other = members.first(where: { $0.provenance.recipeDigest != recipeDigest }) {
            throw unfit("it was recorded with recipe \(other.provenance.recipeDigest), now it is \(recipeDigest)")
        }
        guard self.statistics == statistics else { throw unfit("it was recorded with other statistics") }
        if let other = members.first(where: { $0.dataChecksum != dataChecksum }) {
            throw unfit("it was recorded on other images (CRC-32 \(other.dataChecksum), here \(dataChecksum))")
        }
        guard members.count >= RegressionTest.fewestSeeds else {
            throw unfit("it has \(members.count) seeds, \(RegressionTest.fewestSeeds) are needed")
        }
        if let index = statistics.indices.first(where: { index in !haveSpread(members.map { $0.values[index] }) }) {
            throw unfit("\(statistics[index]) is the same with every seed, which allows no interval")
        }
        return members
    }
}

/// Six significant digits: far below any spread over seeds.
func sixDigits(_ value: Double) -> String { String(format: "%.6g", value) }
