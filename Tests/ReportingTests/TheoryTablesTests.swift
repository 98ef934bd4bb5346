// SPDX-License-Identifier: GPL-3.0-or-later
import Reporting
import Testing

/// The table of refuted statements, and the numbers of the prose, from theory.csv with and without the newer columns.
@Suite struct TheoryTablesTests {
    private let header = [
        "claim", "statement", "source", "tests", "smallest_adjusted_p", "detects", "verdict", "measured", "how", "commit", "method"
    ]

    @Test func refutedStatements() {
        let rows = [
            ["one", "f ≥ 0", "item 1", "3", "0.5", "0.1", "holds", "24 points", "run", "abc", "by hand", "", "", "proven here"],
            [
                "two", "f ≥ 1 on R₊", "lemma 3", "0", "", "–", "false as printed", "x", "run", "abc", "by hand", "f ≥ 2", "f = 1 at θ = 0",
                "proven here"
            ],
            ["three", "f ≤ 0", "item 3", "0", "", "–", "REJECTED", "x", "run", "abc", "by hand", "", "", ""]
        ]
        let tables = TheoryTables(claims: CSVTable(header: header + ["as_printed", "counterexample", "proof"], rows: rows), faults: nil)
        let refuted = tables.refuted
        #expect(
            refuted.contains(
                "two & lemma 3 & $f$ $\\ge$ 2 & false as printed & $f$ = 1 at $\\theta$ = 0 & $f$ $\\ge$ 1 on $R_{+}$ & proven here"),
            "\(refuted)")
        #expect(!refuted.contains("one &") && !refuted.contains("three &"))
        let numbers = Dictionary(uniqueKeysWithValues: tables.numbers.map { ($0.name, $0.value) })
        #expect(numbers["theoryClaims"] == "3" && numbers["theoryHold"] == "2" && numbers["theoryRefuted"] == "1")
    }

    /// A file from before statements could be refuted has none.
    @Test func olderFiles() {
        let row = ["one", "f ≥ 0", "item 1", "3", "0.5", "0.1", "holds", "24 points", "run", "abc", "by hand"]
        let tables = TheoryTables(claims: CSVTable(header: header, rows: [row]), faults: nil)
        #expect(tables.refuted.isEmpty && tables.verdicts.contains("one &"))
    }
}
