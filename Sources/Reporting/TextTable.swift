// SPDX-License-Identifier: GPL-3.0-or-later

/// A table for readers.
public struct TextTable: Equatable, Sendable {
    public let header: [String]
    public let rows: [[String]]

    public init(header: [String], rows: [[String]]) { (self.header, self.rows) = (header, rows) }

    public var markdown: String { markdownTable(header: header, rows: rows) }
    public var latex: String { latexTable(header: header, rows: rows) }
}
