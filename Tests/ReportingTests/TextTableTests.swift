// SPDX-License-Identifier: GPL-3.0-or-later
import Reporting
import Testing

@Suite struct TextTableTests {
    private let header = ["name", "top-1 [95 %]"]
    private let rows = [["a|b_c", "91.20 [90.6, 91.8]"], ["ρ & more", "−3 %"], ["", "–"]]

    /// Written by hand from the GitHub Flavored Markdown table rules.
    @Test func markdown() {
        #expect(
            markdownTable(header: header, rows: rows) == """
                | name     |       top-1 [95 %] |
                | -------- | -----------------: |
                | a\\|b\\_c  | 91.20 [90.6, 91.8] |
                | ρ & more |               −3 % |
                |          |                  – |

                """)
    }

    /// Written by hand from the booktabs manual; characters by the LaTeX list of special ones.
    @Test func latex() {
        #expect(
            latexTable(header: header, rows: rows) == """
                \\begin{tabular}{lr}
                \\toprule
                name & top-1 {[}95 \\%{]} \\\\
                \\midrule
                a$|$b\\_c & 91.20 {[}90.6, 91.8{]} \\\\
                $\\rho$ \\& more & $-$3 \\% \\\\
                 & -- \\\\
                \\bottomrule
                \\end{tabular}

                """)
        #expect(latexTable(header: ["\\{}~^#$"], rows: []).contains("\\textbackslash{}\\{\\}\\textasciitilde{}\\textasciicircum{}\\#\\$ "))
    }

    @Test func textColumnsStayLeft() {
        #expect(markdownTable(header: ["seed"], rows: [["1"], ["mean of 2"]]).contains("| 1         |"))
    }
}
