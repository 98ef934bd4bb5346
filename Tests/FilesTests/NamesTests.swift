// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Testing

@Suite struct NamesTests {
    @Test(arguments: ["resnet20-1w4a-bcgd-rho1e-6", "f32", "0123abcd", "a.b_c+d", String(repeating: "x", count: 100)])
    func names(_ text: String) { #expect(isName(text) && isLabel(text) && isPlainText(text)) }

    @Test(arguments: ["CIFAR-10", "ImageNet, 10 classes", "Fashion-MNIST", "B\u{FC}ro (SVHN) & 1+1"])
    func labels(_ text: String) { #expect(isLabel(text) && isPlainText(text)) }

    /// A quote, a command in backquotes, a path, a formula, markup, and one of each kind of invisible character.
    @Test(arguments: [
        "", "-x", ".x", " x", "a/b", "../x", "a'b", "a\"b", "a`b", "a$b", "a\\b", "a<b", "a|b", "a;b", "=1+1", "a\u{301}", "a'\u{301}b",
        "a\nb", "a\tb", "a\u{0}b",
        "a\u{202E}b", "a\u{200D}b", "a\u{2028}b", "a\u{E000}b", "a\u{FEFF}b", String(repeating: "x", count: 101)
    ])
    func neither(_ text: String) { #expect(!isName(text) && !isLabel(text)) }

    @Test func plainText() {
        for text in ["", "arXiv 1808.05240 abstract", "Table 1: ρ ≤ ½, “x” – (α-derivative) 'a' `b` <c>", "x = 1"] {
            #expect(isPlainText(text), "\(text)")
        }
        for text in ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "a\u{301}", "a\nb", "a\u{85}b", "a\u{200B}b", "\u{1B}[2J"] {
            #expect(!isPlainText(text), "\(text)")
        }
    }
}

@Suite struct ShellCommandTests {
    private let words = [
        "plain-1.2/x_y,z=@%+:", "two words", "it's", "\"", "$HOME `date` \\ !x", "", "~", "*", "a\nb", "tab\t", "e\u{301}", "'\u{301}",
        "\u{1B}", "ü ρ", "--out", "#", "\\'"
    ]

    /// The shell takes the line apart into the words that it came from, and the line is one line of visible characters.
    @Test func theShellReadsTheWordsBack() throws {
        let line = shellCommand(words)
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x301 })
        let result = try runTool("bash", ["-c", "printf '%s\\1' \(line)"], package: "bash")
        #expect(result.output.split(separator: "\u{1}", omittingEmptySubsequences: false).map(String.init) == words + [""])
    }

    /// Also `sh`, which on Debian knows no `$'…'`; control characters need it.
    @Test func anyShellReadsTheWordsBack() throws {
        let words = words.filter { !$0.unicodeScalars.contains { $0.value < 0x20 } }, line = shellCommand(words, forAnyShell: true)
        let result = try runTool("sh", ["-c", "printf '%s\\1' \(line)"], package: "dash")
        #expect(result.output.split(separator: "\u{1}", omittingEmptySubsequences: false).map(String.init) == words + [""])
    }

    @Test func plainWordsStandAsTheyAre() {
        #expect(
            shellCommand(["swift", "run", "reproduce", "--seeds", "1,2", "--data", "my data"])
                == "swift run reproduce --seeds 1,2 --data 'my data'")
    }
}
