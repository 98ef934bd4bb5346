// SPDX-License-Identifier: GPL-3.0-or-later

/// A table with booktabs rules (packages booktabs, array and longtable): a `tabular`, to be `\input` into a `table`, or a
/// `longtable` of its own that may go over pages.
///
/// Number columns are right-aligned. Headers break into lines no wider than their column, and long text breaks too,
/// so that a table is about as wide as its numbers need.
/// - Parameters:
///   - header: the columns' heads.
///   - rows: cells of each.
///   - formulas: the columns whose text is set by `formulaForLaTeX`.
///   - overPages: makes a `longtable`.
public func latexTable(header: [String], rows: [[String]], formulas: Set<Int> = [], overPages: Bool = false) -> String {
    precondition(!header.isEmpty && rows.allSatisfy { $0.count == header.count }, "every row needs \(header.count) cells")
    let numeric = numericColumns(header: header, rows: rows)
    let longest = header.indices.map { column in rows.map { $0[column] }.max { $0.count < $1.count } ?? "" }
    let columns = header.indices.map { numeric[$0] ? "r" : column(longest[$0]) }.joined()
    let head = header.indices.map { stacked(header[$0], width: min(longest[$0].count, textWidth), numeric[$0] ? "r" : "l") }.joined(
        separator: " & ")
    let body = rows.map { row in
        row.indices.map { formulas.contains($0) ? formulaForLaTeX(row[$0]) : escapedForLaTeX(row[$0]) }.joined(separator: " & ") + " \\\\\n"
    }.joined()
    let name = overPages ? "longtable" : "tabular"
    return
        "\\begin{\(name)}{\(columns)}\n\\toprule\n\(head) "
        + "\\\\\n\\midrule\n\(overPages ? "\\endhead\n" : "")\(body)\\bottomrule\n\\end{\(name)}\n"
}

private let textWidth = 36

/// A column of text whose longest cell is this one: ragged paragraphs of about three lines, or of two for a single word,
/// which breaks at its hyphens.
private func column(_ longest: String) -> String {
    let isWord = !longest.contains(" ")
    guard longest.count > (isWord ? textWidth + 4 : textWidth) else { return "l" }
    let characters = isWord ? longest.count / 2 + 4 : min(max(longest.count / 3, 18), 36)
    return ">{\\raggedright\\arraybackslash}p{\(characters / 2)em}"
}

/// The words in lines of at most `width` characters where words allow it.
private func stacked(_ text: String, width: Int, _ alignment: String) -> String {
    // A percent sign stays with its word.
    let words = text.split(separator: " ").reduce(into: [String]()) { words, word in
        if word.hasPrefix("%"), let last = words.popLast() { words.append("\(last) \(word)") } else { words.append(String(word)) }
    }
    let limit = max(width, words.map(\.count).max() ?? 0)
    let lines = words.reduce(into: [String]()) { lines, word in
        if let last = lines.last, last.count + 1 + word.count <= limit { lines[lines.count - 1] += " " + word } else { lines.append(word) }
    }
    guard lines.count > 1 else { return escapedForLaTeX(text) }
    return "\\begin{tabular}[b]{@{}\(alignment)@{}}" + lines.map(escapedForLaTeX).joined(separator: "\\\\") + "\\end{tabular}"
}
