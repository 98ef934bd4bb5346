// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Text that HTML shows as it reads here, in an element or a quoted attribute: no markup, no entity.
///
/// By scalars, as HTML reads: a `<` that a combining mark follows is another character to Swift.
public func escapedForHTML(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
        switch scalar {
        case "&": "&amp;"
        case "<": "&lt;"
        case ">": "&gt;"
        case "\"": "&quot;"
        case "'": "&#39;"
        case "\n", "\t": String(scalar)
        case _ where scalar.value < 32 || scalar.value == 127: " "
        default: String(scalar)
        }
    }.joined()
}

/// A piece of a page. Whatever a file or a user says is escaped on its way into it.
public struct HTML: Sendable {
    let markup: String
    init(markup: String) { self.markup = markup }

    public static func text(_ text: String) -> HTML { HTML(markup: escapedForHTML(text)) }
    public static func paragraph(_ text: String) -> HTML { HTML(markup: "<p>\(escapedForHTML(text))</p>\n") }
    public static func heading(_ text: String) -> HTML { HTML(markup: "<h3>\(escapedForHTML(text))</h3>\n") }
    public static func joined(_ parts: [HTML]) -> HTML { HTML(markup: parts.map(\.markup).joined()) }

    /// Facts that stay closed until they are asked for: name, value; values of several lines keep them.
    public static func details(_ summary: String, _ facts: [(name: String, value: String)]) -> HTML {
        let list = facts.map { "<dt>\(escapedForHTML($0.name))</dt><dd><pre>\(escapedForHTML($0.value))</pre></dd>" }.joined()
        return HTML(markup: "<details><summary>\(escapedForHTML(summary))</summary><dl>\(list)</dl></details>\n")
    }

    /// Parts that stay closed until they are asked for.
    public static func disclosure(_ summary: String, _ parts: [HTML]) -> HTML {
        HTML(markup: "<details><summary>\(escapedForHTML(summary))</summary>\n\(joined(parts).markup)</details>\n")
    }

    /// A PNG within the page.
    /// - Parameters:
    ///   - png: the file's bytes.
    ///   - caption: below the picture.
    ///   - alternative: what it shows, for those who do not see it.
    public static func picture(png: Data, caption: String, alternative: String) -> HTML {
        HTML(
            markup: "<figure><figcaption>\(escapedForHTML(caption))</figcaption>"
                + "<img src=\"data:image/png;base64,\(png.base64EncodedString())\" alt=\"\(escapedForHTML(alternative))\"></figure>\n")
    }

    /// How far something is.
    public static func progress(_ done: Int, of total: Int) -> HTML {
        HTML(markup: "<progress value=\"\(done)\" max=\"\(total)\">\(done) of \(total)</progress>\n")
    }

    /// A table that sorts by a click on a column's head. A column is right-aligned when all its cells are numbers.
    /// - Parameters:
    ///   - caption: above the table.
    ///   - table: the cells, as text.
    ///   - last: one more cell of each row, under the head `lastTitle`; empty for no such column.
    ///   - lastTitle: the head of the last column.
    ///   - filters: columns among whose values one can choose.
    public static func table(
        _ caption: String, _ table: TextTable, last: [HTML] = [], lastTitle: String = "", filters: [String] = []
    ) -> HTML {
        precondition(last.isEmpty || last.count == table.rows.count, "a last cell for each row")
        let right = numericColumns(header: table.header, rows: table.rows)
        func cell(_ tag: String, _ column: Int, _ text: String, _ attributes: String = "") -> String {
            "<\(tag)\(attributes)\(right[column] ? " class=\"number\"" : "")>\(escapedForHTML(text))</\(tag)>"
        }
        let columns = table.header.indices
        let head =
            columns.map { cell("th", $0, table.header[$0], " scope=\"col\"") }.joined()
            + (last.isEmpty ? "" : "<th scope=\"col\">\(escapedForHTML(lastTitle))</th>")
        let body = table.rows.indices.map { row in
            let cells = columns.map { cell("td", $0, table.rows[row][$0]) }.joined()
            return "<tr>\(cells)\(last.isEmpty ? "" : "<td>\(last[row].markup)</td>")</tr>\n"
        }.joined()
        let chosen = filters.isEmpty ? "" : " data-filters=\"\(escapedForHTML(filters.joined(separator: ",")))\""
        return HTML(
            markup: "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"\(escapedForHTML(caption))\">"
                + "<table data-sortable\(chosen)><caption>\(escapedForHTML(caption))</caption>\n"
                + "<thead><tr>\(head)</tr></thead>\n<tbody>\n\(body)</tbody></table></div>\n")
    }
}
