// SPDX-License-Identifier: GPL-3.0-or-later

/// A `tabular` with booktabs rules, to be `\input` into a `table`; number columns are right-aligned.
public func latexTable(header: [String], rows: [[String]]) -> String {
    precondition(!header.isEmpty && rows.allSatisfy { $0.count == header.count }, "every row needs \(header.count) cells")
    let columns = numericColumns(header: header, rows: rows).map { $0 ? "r" : "l" }.joined()
    func line(_ row: [String]) -> String { row.map(escapedForLaTeX).joined(separator: " & ") + " \\\\\n" }
    return "\\begin{tabular}{\(columns)}\n\\toprule\n" + line(header) + "\\midrule\n" + rows.map(line).joined()
        + "\\bottomrule\n\\end{tabular}\n"
}

/// Text that LaTeX sets as it reads here: special characters escaped, mathematical ones as math.
func escapedForLaTeX(_ text: String) -> String {
    text.map { latexReplacements[$0] ?? ($0.isNewline ? " " : String($0)) }.joined()
}

private let latexReplacements: [Character: String] = [
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", "[": "{[}", "]": "{]}",
    "\"": "''", "±": "$\\pm$", "−": "$-$", "–": "--", "×": "$\\times$", "≤": "$\\le$", "≥": "$\\ge$",
    "α": "$\\alpha$", "δ": "$\\delta$", "η": "$\\eta$", "θ": "$\\theta$", "ρ": "$\\rho$", "μ": "$\\mu$", "ℓ": "$\\ell$",
]
