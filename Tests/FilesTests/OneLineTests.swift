// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Testing

/// A message may quote any file; it stays one line, and does nothing to a terminal.
@Suite struct OneLineTests {
    @Test(arguments: [
        ("plain é ½ 1 %", "plain é ½ 1 %"), ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
        ("\u{1b}[2J\u{0}\u{7f}\u{85}", "\\u{1b}[2J\\u{0}\\u{7f}\\u{85}"),
        ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"), ("e\u{301}\u{1f469}\u{200d}\u{1f52c}", "e\u{301}\u{1f469}\u{200d}\u{1f52c}")
    ])
    func whatEndsALineIsSpelledOut(message: String, expected: String) {
        #expect(oneLine(message) == expected)
        #expect(FileError(message).description == expected)
    }

    @Test func aLongMessageEnds() {
        let text = oneLine(String(repeating: "x", count: 1_000_000))
        #expect(text == String(repeating: "x", count: 4000) + " …")
        #expect(oneLine(String(repeating: "x", count: 4000)).count == 4000)
    }
}
