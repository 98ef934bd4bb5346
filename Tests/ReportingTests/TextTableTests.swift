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

    /// By hand: headers are broken to the width of the cells (at most 36 characters), percent signs stay with their word;
    /// long text and long names get paragraphs, of a third of their length within 18 to 36 characters, and of half and 4.
    @Test func latexBreaksWhatIsWide() {
        let name = String(repeating: "ab-", count: 20)
        let table = latexTable(
            header: ["mean top-1, %", "a note", "run"],
            rows: [["1", String(repeating: "word ", count: 12) + "x²", name], ["2", "y_q", "c"]], formulas: [1], overPages: true)
        let paragraph = ">{\\raggedright\\arraybackslash}p"
        #expect(table.hasPrefix("\\begin{longtable}{r\(paragraph){10em}\(paragraph){17em}}\n\\toprule\n"))
        #expect(
            table.contains("\\begin{tabular}[b]{@{}r@{}}mean\\\\top-1, \\%\\end{tabular} & a note & run \\\\\n\\midrule\n\\endhead\n1 & "))
        #expect(table.contains("2 & $y_{\\mathrm{q}}$ & c \\\\\n") && table.hasSuffix("\\bottomrule\n\\end{longtable}\n"))
    }

    /// By hand, from the rules in the documentation; the second line would be TeX's “double superscript”.
    @Test(arguments: [
        ("f(w_q⁺) ≤ ½(ρ/η − L)", "$f$($w_{\\mathrm{q}}^{+}$) $\\le$ $\\frac12$($\\rho$/$\\eta$ $-$ $L$)"),
        ("v*ᵀPw* in 4x6", "$v^{*}{}^{\\top}Pw^{*}$ in $4\\times6$"),
        ("(2π)^{3/2}, B^(−1/2), η_α", "(2$\\pi$)$^{\\mathrm{3/2}}$, $B^{\\mathrm{-1/2}}$, $\\eta_{\\mathrm{\\alpha}}$"),
        ("a layer's slope -0.5 at 1e-12, two-valued", "a layer's slope $-$0.5 at 1e$-$12, two-valued"),
        ("α x, 95 % & α‖w‖", "$\\alpha$ $x$, 95 \\% \\& $\\alpha\\Vert w\\Vert$"), ("p̂ u ← q", "$\\hat p$ $u$ $\\leftarrow$ $q$")
    ])
    func formulas(text: String, latex: String) { #expect(formulaForLaTeX(text) == latex) }

    /// A mark after a special character makes another character of it to Swift, and not to Markdown and LaTeX.
    @Test(arguments: ["\u{301}", "\u{338}", "\u{FE0F}", "\u{200D}"]) func marksHideNoSpecialCharacter(_ mark: String) {
        func escaped(_ escape: (String) -> String, _ special: String) -> [String] {
            special.map { character in
                let alone = escape(String(character)), marked = escape(String(character) + mark)
                return marked.unicodeScalars.elementsEqual((alone + mark).unicodeScalars) ? "" : "\(character): \(marked)"
            }.filter { !$0.isEmpty }
        }
        #expect(escaped(escapedForMarkdown, "|*_~<`\\").isEmpty)
        #expect(escaped(escapedForLaTeX, "\\&%$#_{}~^\"").isEmpty && escaped(formulaForLaTeX, "\\&%$#{}~\"").isEmpty)
        #expect(!formulaForLaTeX("x_{a}\(mark)}\\input{f}").contains("\\input{"))
    }

    /// By hand from the CommonMark specification: no HTML, no link, no entity, no second line.
    @Test(arguments: [
        ("<script>x</script>", "\\<script>x\\</script>"), ("[a](b) [c]: d [95 %]", "[a\\](b) [c\\]: d [95 %]"),
        ("~~a~~ ~b~", "\\~\\~a\\~\\~ \\~b\\~"), ("&lt; & R&D &#60;", "\\&lt; & R\\&D \\&#60;"),
        ("a\nb\r\nc\u{2028}d\u{0}e", "a b  c d e")
    ])
    func markdownStaysText(_ text: String, _ expected: String) { #expect(escapedForMarkdown(text) == expected) }

    @Test func textColumnsStayLeft() {
        #expect(markdownTable(header: ["seed"], rows: [["1"], ["mean of 2"]]).contains("| 1         |"))
    }
}
