// SPDX-License-Identifier: GPL-3.0-or-later

/// What `verify-theory` found, for LaTeX, from the CSVs that it wrote.
public struct TheoryTables: Sendable {
    private let claims: CSVTable
    /// nil where the run broke no formula on purpose (`--power`).
    private let faults: CSVTable?

    /// - Parameters:
    ///   - claims: theory.csv.
    ///   - faults: theory-power.csv.
    public init(claims: CSVTable, faults: CSVTable?) { (self.claims, self.faults) = (claims, faults) }

    /// The columns that theory.csv must have.
    public static let columns = [
        "claim", "statement", "source", "method", "tests", "smallest_adjusted_p", "detects", "verdict", "measured", "commit", "how"
    ]

    private func caught(_ claim: String? = nil) -> (caught: Int, of: Int) {
        guard let faults else { return (0, 0) }
        let rows = faults.rows.indices.filter { claim == nil || faults[$0, "claim"] == claim }
        return (rows.count { faults[$0, "caught"] == "yes" }, rows.count)
    }

    /// One row a claim.
    public var verdicts: String {
        let rows = claims.rows.indices.map { row in
            let (caught, of) = caught(claims[row, "claim"])
            return [
                claims[row, "claim"], claims[row, "statement"], claims[row, "tests"], claims[row, "smallest_adjusted_p"],
                claims[row, "detects"], of == 0 ? "–" : "\(caught) of \(of)", claims[row, "verdict"]
            ]
        }
        let header = ["Claim", "Statement", "Tests", "Adjusted p", "Detects", "Faults caught", "Verdict"]
        return latexTable(header: header, rows: rows, formulas: [1, 4], overPages: true)
    }

    /// One row a statement that is false as printed, or beyond one bit; empty for tables from before there were any.
    public var refuted: String {
        guard claims.header.contains("as_printed") else { return "" }
        let rows = claims.rows.indices.filter { !claims[$0, "as_printed"].isEmpty }.map { row in
            ["claim", "source", "as_printed", "verdict", "counterexample", "statement", "proof"].map { claims[row, $0] }
        }
        let header = ["Claim", "Source", "As printed", "Verdict", "Counterexample", "What holds", "Proof"]
        return latexTable(header: header, rows: rows, formulas: [2, 4, 5], overPages: true)
    }

    /// How each claim was tested and what was found: one paragraph a claim.
    public var findings: String {
        claims.rows.indices.map { row in
            "\\paragraph{\(escapedForLaTeX(claims[row, "claim"]))} (\(escapedForLaTeX(claims[row, "source"]))). "
                + "Test: \(formulaForLaTeX(claims[row, "method"])). Found: \(formulaForLaTeX(claims[row, "measured"])).\n"
        }.joined(separator: "\n")
    }

    /// Numbers of the prose, by the name of the LaTeX command.
    public var numbers: [(name: String, value: String)] {
        let faults = caught()
        return [
            ("theoryClaims", "\(claims.rows.count)"),
            ("theoryHold", "\(claims.rows.indices.count { claims[$0, "verdict"] != "REJECTED" })"),
            ("theoryRefuted", "\(claims.rows.indices.count { claims[$0, "verdict"].hasPrefix("false") })"),
            ("theoryTests", "\(claims.rows.indices.reduce(0) { $0 + (Int(claims[$1, "tests"]) ?? 0) })"),
            ("theoryFaults", "\(faults.of)"), ("theoryFaultsCaught", "\(faults.caught)"),
            ("theoryCommand", claims.rows.isEmpty ? "" : claims[0, "how"]), ("theoryCommit", claims.rows.isEmpty ? "" : claims[0, "commit"])
        ]
    }
}
