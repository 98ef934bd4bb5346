// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct CSVTableTests {
    /// Expected text by hand from RFC 4180, section 2, rules 5 to 7.
    @Test func quotesWhatNeedsIt() {
        let table = CSVTable(header: ["a", "b"], rows: [["plain", "x,y"], ["say \"hi\"", "two\nlines"], [" blank", ""]])
        #expect(table.text == "a,b\nplain,\"x,y\"\n\"say \"\"hi\"\"\",\"two\nlines\"\n\" blank\",\n")
    }

    @Test func readsBackWhatItWrote() throws {
        let nasty = ["", ",", "\"", "\"\"", "\r\n", "\n", "ä ± 3", " x ", "a\"b,c\nd", "\r", "\"\u{301},", "a,\u{301}b", " \u{301}"]
        for width in 1...3 {
            let rows = nasty.indices.map { row in (0..<width).map { nasty[(row + 3 * $0) % nasty.count] } }
            let table = CSVTable(header: Array(["h", "i, \"j\"", "k"].prefix(width)), rows: rows)
            #expect(try CSVTable(parsing: table.text, name: "t") == table)
        }
    }

    @Test func keepsWhereMeasurementsCameFrom() {
        let earlier = CSVTable(header: ["epoch", "loss", "commit"], rows: [["1", "0.5", "a"], ["2", "0.4", "a"]])
        let table = CSVTable(header: earlier.header, rows: [["1", "0.5", "b"], ["2", "0.3", "b"], ["3", "0.2", "b"]])
        #expect(table.keeping(["commit"], of: earlier).rows == [["1", "0.5", "a"], ["2", "0.3", "b"], ["3", "0.2", "b"]])
        // A curve that has gained a column since: what both have is the same. Tables without a common measurement tell nothing.
        let grown = CSVTable(header: ["epoch", "changes", "loss", "commit"], rows: [["1", "", "0.5", "b"], ["2", "7", "0.3", "b"]])
        #expect(grown.keeping(["commit"], of: earlier).rows == [["1", "", "0.5", "a"], ["2", "7", "0.3", "b"]])
        #expect(earlier.keeping(["commit"], of: grown).rows == [["1", "0.5", "b"], ["2", "0.4", "a"]])
        for header in [["commit"], ["epoch", "author"]] {
            #expect(table.keeping(["commit"], of: CSVTable(header: header, rows: [header.map { _ in "1" }])) == table)
        }
    }

    @Test func readsCRLFAndByteOrderMarkAndMissingLastLineEnd() throws {
        let expected = CSVTable(header: ["a", "b"], rows: [["1", "2"], ["3", ""]])
        #expect(try CSVTable(parsing: "\u{FEFF}a,b\r\n1,2\r\n3,", name: "t") == expected)
    }

    @Test(arguments: [
        ("", "t.csv: expected a header line, found an empty file"),
        ("a,a\n", "t.csv:1: the column \"a\" is named twice"),
        ("a,b\n1,2\n3\n", "t.csv:3: expected 2 fields as in the header, found 1"),
        ("a,b\n1,2\n\n", "t.csv:3: expected 2 fields as in the header, found 1"),
        ("a,b\n\"x\ny\",2\n1,2,3\n", "t.csv:4: expected 2 fields as in the header, found 3"),
        ("a,b\n1,x\"y\n", "t.csv:2: a quote inside a field that does not start with one"),
        ("a,b\n1,\"x\"y\n", "t.csv:2: expected a comma or the end of the line after the closing quote"),
        ("a,b\n1,\"x\n2,3\n", "t.csv:2: the quote opened here is never closed"),
        ("a,b\n1,\"", "t.csv:2: the quote opened here is never closed")
    ])
    func badTextIsNamed(text: String, expected: String) {
        #expect(message { _ = try CSVTable(parsing: text, name: "t.csv") } == expected)
    }

    /// Every prefix of a valid text either parses or throws; none reads past its end.
    @Test func everyPrefixIsHandled() {
        let whole = CSVTable(header: ["a", "b"], rows: [["x,\"y\"", "1"], ["\r\n", "ä"]]).text
        let bytes = Array(whole.utf8)
        var parsed = 0
        for count in 0...bytes.count {
            if (try? CSVTable(parsing: String(decoding: bytes.prefix(count), as: UTF8.self), name: "t")) != nil { parsed += 1 }
        }
        #expect(parsed > 0 && parsed < bytes.count)
    }

    @Test func appendOrReplaceGoesByTheKey() {
        var table = CSVTable(header: ["name", "seed", "value"])
        table.appendOrReplace(["a", "1", "x"], key: ["name", "seed"])
        table.appendOrReplace(["a", "2", "y"], key: ["name", "seed"])
        table.appendOrReplace(["a", "1", "z"], key: ["name", "seed"])
        #expect(table.rows == [["a", "1", "z"], ["a", "2", "y"]])
        #expect(table[1, "value"] == "y")
    }

    @Test func filesThatCannotBeReadAreNamed() throws {
        try withTemporaryFolder { folder in
            #expect(
                message { _ = try CSVTable(contentsOf: folder + "/none.csv") }
                    == "cannot read \(folder)/none.csv: No such file or directory")
            #expect(message { _ = try CSVTable(contentsOf: folder) }.contains("a folder"))
            try Data([0x61, 0xFF, 0x0A]).write(to: URL(fileURLWithPath: folder + "/latin.csv"))
            #expect(message { _ = try CSVTable(contentsOf: folder + "/latin.csv") }.contains("expected UTF-8"))
            let table = CSVTable(header: ["a"], rows: [[""], ["1"]])
            try table.write(to: folder + "/t.csv")
            #expect(try CSVTable(contentsOf: folder + "/t.csv") == table)
        }
    }
}
