// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A table of text with named columns, as in a CSV file (RFC 4180, UTF-8).
///
/// Written with `\n` line ends (RFC 4180 names CRLF; version control and every reader at hand prefer LF); read with either.
public struct CSVTable: Equatable, Sendable {
    public let header: [String]
    /// One array of `header.count` fields per row.
    public private(set) var rows: [[String]]

    /// The table of a file, or nil where there is no such file.
    /// - Throws: `FileError` where the file has not all of these columns, or cannot be read.
    public static func ifPresent(_ path: String, columns: [String]) throws -> CSVTable? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let table = try CSVTable(contentsOf: path)
        if let absent = columns.first(where: { !table.header.contains($0) }) { throw FileError("\(path) has no column \(absent)") }
        return table
    }

    /// The table of a file to which rows are added, empty where there is no such file.
    /// - Throws: `FileError` where the file has other columns, or in another order, or cannot be read.
    public static func growing(_ path: String, columns: [String]) throws -> CSVTable {
        let table = try ifPresent(path, columns: columns) ?? CSVTable(header: columns)
        guard table.header == columns else {
            throw FileError("\(path): expected the columns \(columns.joined(separator: ",")), found \(table.header.joined(separator: ","))")
        }
        return table
    }

    /// - Precondition: at least one column, no column named twice, every row as wide as the header.
    public init(header: [String], rows: [[String]] = []) {
        precondition(!header.isEmpty && Set(header).count == header.count, "columns need distinct names: \(header)")
        precondition(rows.allSatisfy { $0.count == header.count }, "every row needs \(header.count) fields")
        self.header = header
        self.rows = rows
    }

    /// The field of row `row` (from 0) in the column named `column`.
    public subscript(row: Int, column: String) -> String {
        guard let index = header.firstIndex(of: column) else { preconditionFailure("no column \(column) in \(header)") }
        return rows[row][index]
    }

    public mutating func append(_ row: [String]) {
        precondition(row.count == header.count, "\(row.count) fields for \(header.count) columns")
        rows.append(row)
    }

    /// The first row, counted from 0, that has the same fields as `row` in the columns `key`.
    public func firstIndex(like row: [String], key: [String]) -> Int? {
        let columns = key.map { name in
            guard let index = header.firstIndex(of: name) else { preconditionFailure("no column \(name) in \(header)") }
            return index
        }
        return rows.firstIndex { other in columns.allSatisfy { other[$0] == row[$0] } }
    }

    /// Puts `row` in the place of the row that has the same fields in the columns `key`, or at the end when there is none.
    public mutating func appendOrReplace(_ row: [String], key: [String]) {
        if let old = firstIndex(like: row, key: key) {
            precondition(row.count == header.count, "\(row.count) fields for \(header.count) columns")
            rows[old] = row
        } else {
            append(row)
        }
    }

    /// The table in which a row that differs from one of `earlier` in no column of both but `columns` has these as they are there:
    /// what was measured before keeps where it came from, also where the table has gained a column since.
    public func keeping(_ columns: [String], of earlier: CSVTable) -> CSVTable {
        let measured = header.filter { earlier.header.contains($0) && !columns.contains($0) }
        guard !measured.isEmpty, columns.allSatisfy(header.contains), columns.allSatisfy(earlier.header.contains) else { return self }
        func key(_ table: CSVTable, _ row: Int) -> [String] { measured.map { table[row, $0] } }
        let known = Dictionary(earlier.rows.indices.map { (key(earlier, $0), $0) }, uniquingKeysWith: { first, _ in first })
        let kept = rows.indices.map { row -> [String] in
            guard let old = known[key(self, row)] else { return rows[row] }
            return header.map { columns.contains($0) ? earlier[old, $0] : self[row, $0] }
        }
        return CSVTable(header: header, rows: kept)
    }

    /// The table as CSV text; fields with a comma, a quote, a line end, a byte-order mark or outer blanks are quoted.
    public var text: String {
        ([header] + rows).map { row in row.map { Self.quoted($0, alone: row.count == 1) }.joined(separator: ",") + "\n" }.joined()
    }

    /// - Throws: `FileError` when the file cannot be written; the old file is then untouched.
    public func write(to path: String) throws {
        try writeAtomically(Data(text.utf8), to: path)
    }

    /// Reads a CSV file whose first record is the header.
    /// - Throws: `FileError` naming the file, the line and what was expected there.
    public init(contentsOf path: String) throws {
        try self.init(parsing: try readText(path), name: path)
    }

    /// Parses CSV text; `name` stands for the file in error messages.
    /// - Throws: `FileError` naming the line (from 1) and what was expected there.
    public init(parsing text: String, name: String) throws {
        var records = CSVRecords(text: text, name: name)
        guard let first = try records.next() else { throw FileError("\(name): expected a header line, found an empty file") }
        let duplicates = Dictionary(grouping: first.fields, by: { $0 }).filter { $0.value.count > 1 }.keys.sorted()
        guard duplicates.isEmpty else { throw FileError("\(name):1: the column \"\(duplicates[0])\" is named twice") }
        header = first.fields
        rows = []
        while let record = try records.next() {
            guard record.fields.count == header.count else {
                throw FileError("\(name):\(record.line): expected \(header.count) fields as in the header, found \(record.fields.count)")
            }
            rows.append(record.fields)
        }
    }

    private static func quoted(_ field: String, alone: Bool) -> String {
        let special = field.unicodeScalars.contains { ",\"\r\n\u{feff}".unicodeScalars.contains($0) }
        // A lone empty field would be a blank line, and blank lines end up as nothing in some readers.
        guard special || field.unicodeScalars.first == " " || field.unicodeScalars.last == " " || (alone && field.isEmpty) else {
            return field
        }
        // By scalars: a quote that a combining mark follows is another character to Swift, and a quote to every reader.
        return "\"" + field.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
    }
}

/// Four decimals: of a percentage, enough to have the count back for fewer than 10⁶ images.
package func fixed(_ value: Double) -> String { String(format: "%.4f", value) }

/// Splits CSV text into records, byte by byte.
private struct CSVRecords {
    private let bytes: [UInt8]
    private let name: String
    private var position = 0
    private var line = 1

    init(text: String, name: String) {
        bytes = Array(text.utf8)
        self.name = name
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }  // the byte order mark that spreadsheets write
    }

    /// The next record and the line it starts on, or nil at the end.
    mutating func next() throws -> (fields: [String], line: Int)? {
        guard position < bytes.count else { return nil }
        let start = line
        var fields = [try field()]
        while position < bytes.count, bytes[position] == UInt8(ascii: ",") {
            position += 1
            fields.append(try field())
        }
        skipLineEnd()
        return (fields, start)
    }

    private mutating func field() throws -> String {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            let start = position
            while position < bytes.count, !atLineEnd, bytes[position] != UInt8(ascii: ",") {
                if bytes[position] == UInt8(ascii: "\"") {
                    throw FileError("\(name):\(line): a quote inside a field that does not start with one")
                }
                position += 1
            }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }
        let opened = line
        var content: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte != UInt8(ascii: "\"") {
                if byte == UInt8(ascii: "\n") { line += 1 }
                content.append(byte)
            } else if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                content.append(byte)
                position += 1
            } else {
                guard position == bytes.count || atLineEnd || bytes[position] == UInt8(ascii: ",") else {
                    throw FileError("\(name):\(line): expected a comma or the end of the line after the closing quote")
                }
                return String(decoding: content, as: UTF8.self)
            }
        }
        throw FileError("\(name):\(opened): the quote opened here is never closed")
    }

    private var atLineEnd: Bool {
        bytes[position] == UInt8(ascii: "\n")
            || (bytes[position] == UInt8(ascii: "\r") && position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "\n"))
    }

    private mutating func skipLineEnd() {
        guard position < bytes.count else { return }
        position += bytes[position] == UInt8(ascii: "\r") ? 2 : 1
        line += 1
    }
}
