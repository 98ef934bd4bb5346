// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import Testing

private let curves = [
    ValidationCurve(label: "it's_a {b} } 1W4A", runs: (0..<3).map { run in Dictionary(uniqueKeysWithValues: (1...5).map { ($0, 80 + Double($0 + run)) }) }),
    ValidationCurve(label: "$x@y `date` \\", runs: [[1: 70]]),
]

@Suite struct GnuplotTests {
    @Test func curvesAreDrawnTheSameEachTimeAndByHand() throws {
        try withTemporaryFolder { folder in
            let figure = validationCurveFigure(name: "curves", title: "A_title's", curves: curves)
            try Gnuplot().draw(figure, in: folder + "/a/b")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder + "/a/b").sorted()
            #expect(files == ["curves-1.csv", "curves-2.csv", "curves.gp", "curves.png", "curves.svg"])
            let svg = try Data(contentsOf: URL(fileURLWithPath: folder + "/a/b/curves.svg"))
            let png = try Data(contentsOf: URL(fileURLWithPath: folder + "/a/b/curves.png"))
            // The PNG signature, and the width and height of its first chunk (PNG specification, sections 5.2 and 11.2.2).
            #expect(png.prefix(8) == Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
            #expect(png[16..<24] == Data([0, 0, 0x03, 0x84, 0, 0, 0x02, 0x58]))
            let words = String(decoding: svg, as: UTF8.self)
            for word in ["it's_a {b} } 1W4A", "$x@y `date` \\", "A_title's", "epoch"] {
                #expect(words.contains(">\(word)<") || words.contains("<![CDATA[\(word)]]>"), "\(word)")
            }
            // By hand, elsewhere: the folder alone holds all that the script needs.
            try FileManager.default.moveItem(atPath: folder + "/a/b", toPath: folder + "/c")
            try FileManager.default.removeItem(atPath: folder + "/c/curves.svg")
            try FileManager.default.removeItem(atPath: folder + "/c/curves.png")
            let hand = Process()
            hand.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            hand.arguments = ["gnuplot", "curves.gp"]
            hand.currentDirectoryURL = URL(fileURLWithPath: folder + "/c")
            try hand.run()
            hand.waitUntilExit()
            #expect(hand.terminationStatus == 0)
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/c/curves.svg")) == svg)
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/c/curves.png")) == png)
        }
    }

    @Test func missingGnuplotSaysWhatToDo() {
        #expect(message { _ = try Gnuplot(path: "/nonexistent:/dev") } == "figures need gnuplot, which is not on the PATH; install it by ./setup.sh")
        #expect(message { _ = try Gnuplot(path: "") }.contains("./setup.sh"))
    }

    /// A failing script throws gnuplot's words and leaves no picture, not even one of an earlier run.
    @Test func aBadScriptIsQuotedAndLeavesNoPicture() throws {
        try withTemporaryFolder { folder in
            try Gnuplot().draw(Figure(name: "f", body: "plot x", data: []), in: folder)
            #expect(FileManager.default.fileExists(atPath: folder + "/f.png"))
            let said = message { try Gnuplot().draw(Figure(name: "f", body: "plot 'none.csv' using 1:2", data: []), in: folder) }
            #expect(said.contains("\(folder)/f.gp") && said.contains("none.csv"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["f.gp"])
        }
    }

    @Test func labelsCannotLeaveTheirQuotes() {
        #expect(gnuplotString("a'; system 'x'\nb") == "'a''; system ''x'' b'")
    }
}
