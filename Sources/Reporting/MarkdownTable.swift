// SPDX-License-Identifier: GPL-3.0-or-later

/// A pipe table, padded so that its source is as readable as its rendering.
///
/// A column is right-aligned when every cell that is not empty starts with a number.
public func markdownTable(header: [String], rows: [[String]]) -> String {
    precondition(!header.isEmpty && rows.allSatisfy { $0.count == header.count }, "every row needs \(header.count) cells")
    let cells = ([header] + rows).map { $0.map(escapedForMarkdown) }
    let right = numericColumns(header: header, rows: rows)
    let widths = header.indices.map { column in max(3, cells.map { $0[column].count }.max() ?? 0) }
    func line(_ row: [String]) -> String {
        let padded = row.indices.map { column in
            let blanks = String(repeating: " ", count: widths[column] - row[column].count)
            return right[column] ? blanks + row[column] : row[column] + blanks
        }
        return "| " + padded.joined(separator: " | ") + " |\n"
    }
    let rule = header.indices.map { String(repeating: "-", count: widths[$0] - 1) + (right[$0] ? ":" : "-") }
    return line(cells[0]) + line(rule) + cells.dropFirst().map(line).joined()
}

/// Text that Markdown shows as it reads here, in a table's cell, a heading or a link's text: no markup, no HTML. (A bare address
/// may be shown as a link to where it says.)
///
/// By scalars, as Markdown reads: a `<` that a combining mark follows is another character to Swift.
public func escapedForMarkdown(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    return scalars.indices.map { index in
        let scalar = scalars[index], next = scalars.dropFirst(index + 1).first
        return switch scalar {
        case "|", "*", "_", "~", "<", "`", "\\": "\\\(scalar)"
        case "&" where next.map { $0 == "#" || $0.properties.isAlphabetic } ?? false: "\\&"  // would be an entity such as &lt;
        case "]" where next.map { "([:".unicodeScalars.contains($0) } ?? false: "\\]"  // would end the text of a link
        case _ where isLineEndOrControl(scalar): " "
        default: String(scalar)
        }
    }.joined()
}

/// Which columns hold numbers: all their cells, but for empty ones and dashes, start with one (`91.2 [90.6, 91.8]`, `-3`, `64.36 %`).
func numericColumns(header: [String], rows: [[String]]) -> [Bool] {
    header.indices.map { column in
        let filled = rows.map { $0[column] }.filter { !$0.isEmpty && $0 != "–" }
        return !filled.isEmpty
            && filled.allSatisfy { cell in
                let word = cell.prefix { !$0.isWhitespace }.replacing("−", with: "-").replacing("%", with: "")
                return Double(word) != nil
            }
    }
}
