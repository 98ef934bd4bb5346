// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Reporting

/// One published number and where it was read.
public struct ReportedValue: Equatable, Sendable {
    /// Which cell it belongs to: `dataset/cell`, as `Condition.reportedID` spells it.
    public let id: String
    /// The quantity in words.
    public let quantity: String
    /// In `unit`.
    public let value: Double
    public let unit: String
    public let kind: Kind
    public let source: String

    /// How the number reached us.
    public enum Kind: String, CaseIterable, Sendable {
        /// Printed by those who measured it, or by others; or taken from a figure, within about a point.
        case primary, secondary
        case plot = "read off a plot"
    }

    /// The source, and the kind where it is not the plain one.
    public var origin: String { kind == .primary ? source : "\(source) (\(kind.rawValue))" }

    /// What is said of a cell that has no published number in the sources at hand.
    public static let notAvailable = "not available in the sources at hand"
}

/// The published numbers of one file (`Experiments/reported.csv`: id, quantity, value, unit, kind, source), METHOD.md part 4.
public struct ReportedValues: Equatable, Sendable {
    public let values: [ReportedValue]

    /// - Throws: `FileError` naming the file and row for a missing column, a value that is no number,
    ///   an empty id, unit or source, or an id given twice.
    public init(contentsOf path: String) throws {
        let table = try CSVTable(contentsOf: path)
        let columns = ["id", "quantity", "value", "unit", "kind", "source"]
        guard table.header == columns else {
            throw FileError(
                "\(path):1: expected the columns \(columns.joined(separator: ",")), found \(table.header.joined(separator: ","))")
        }
        values = try table.rows.enumerated().map { index, row in
            let place = "\(path): row \(index + 1)"
            guard let value = Double(row[2]), value.isFinite else {
                throw FileError("\(place): expected a number as value, found \"\(row[2])\"")
            }
            guard !row[0].isEmpty, !row[3].isEmpty, !row[5].isEmpty else {
                throw FileError("\(place): id, unit and source must not be empty")
            }
            guard [row[0], row[3], row[5]].allSatisfy(isPlainText) else {
                throw FileError("\(place): id, unit and source must be \(plainTextRule), as rows of runs take the source over")
            }
            guard let kind = ReportedValue.Kind(rawValue: row[4]) else {
                throw FileError(
                    "\(place): kind must be one of \(ReportedValue.Kind.allCases.map(\.rawValue).joined(separator: ", ")), not "
                        + "\"\(row[4])\""
                )
            }
            return ReportedValue(id: row[0], quantity: row[1], value: value, unit: row[3], kind: kind, source: row[5])
        }
        let ids = values.map(\.id)
        if let twice = ids.first(where: { id in ids.filter { $0 == id }.count > 1 }) {
            throw FileError("\(path): the id \"\(twice)\" is given twice")
        }
    }

    /// The published number of a cell, or nil: then say `ReportedValue.notAvailable`, never a number from memory.
    public subscript(id: String) -> ReportedValue? { values.first { $0.id == id } }

    /// The published training loss of a cell, in nats.
    public func trainLoss(_ id: String) -> ReportedValue? { self[Self.trainLossID(id)] }

    /// The id of a cell's training loss.
    static func trainLossID(_ id: String) -> String { id + "/train-loss" }
}
