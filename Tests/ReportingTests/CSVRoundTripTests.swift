// SPDX-License-Identifier: GPL-3.0-or-later
import Reporting
import Testing

/// What was written reads the same again, whatever the fields hold.
@Suite struct CSVRoundTripTests {
    // A byte-order mark at the head of the first column was taken for the file's: found by `fuzz-readers`.
    @Test(arguments: ["\u{feff}name", "\u{feff}", "a\u{feff}", " a", "a ", "a\rb", "\r\n", "\"", ",", "é\u{301}", ""])
    func tablesSurvive(field: String) throws {
        for table in [CSVTable(header: [field, "x"], rows: [["1", field]]), CSVTable(header: [field], rows: [[field], ["1"]])] {
            #expect(try CSVTable(parsing: table.text, name: "t.csv") == table)
        }
    }
}
