// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import TestSupport
import Testing

private let curves = [
    ValidationCurve(
        label: "it's_a {b} } 1W4A",
        runs: (0..<3).map { run in Dictionary(uniqueKeysWithValues: (1...5).map { ($0, 80 + Double($0 + run)) }) }),
    ValidationCurve(label: "$x@y `date` \\", runs: [[1: 70]])
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
        #expect(
            message { _ = try Gnuplot(path: "/nonexistent:/dev") }
                == "figures need gnuplot, which is not on the PATH; install it by ./setup.sh")
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
        #expect(gnuplotString("a; `b` \"c\"\nd") == "'a; `b` \"c\" d'")
        #expect(gnuplotString("a'; `b`") == #""a\047\073 \140b\140""#)
        // To Swift these are one character each, to gnuplot a quote and something else.
        for text in ["'\u{301}", "'\u{20DD}", "'\u{FE0F}", "'\u{200D}'"] {
            #expect(!gnuplotString(text).unicodeScalars.contains("'") && gnuplotString(text).utf8.allSatisfy { $0 < 0x80 }, "\(text)")
        }
    }

    /// Titles and labels of all kinds that would run a command in another place are drawn as they read, and run none; the folder's
    /// name may hold anything.
    @Test func nothingInATextRuns() throws {
        let texts = [
            "A'\u{301} noenhanced; `touch pwned` #", "'; system 'touch pwned'; '", "\"; system(\"touch pwned\")", "`touch pwned`",
            "@pwned $(touch pwned)",
            "' . system('touch pwned') . '", "''; system ''touch pwned''", "'''`touch pwned`'''", "a''`touch pwned`''''b", "{/=20 x} \\",
            "x\\' noenhanced; `touch pwned`"
        ]
        try withTemporaryFolder { folder in
            let place = folder + "/it's `touch pwned` \"e\u{301}\"\n\\x"
            for (index, text) in texts.enumerated() {
                let curves = [ValidationCurve(label: text, runs: [[1: 70, 2: 71]]), ValidationCurve(label: "b", runs: [[1: 70], [1: 72]])]
                try Gnuplot().draw(validationCurveFigure(name: "f\(index)", title: text, curves: curves), in: place)
                #expect(try TestSupport.text(of: place + "/f\(index).svg").contains(text), "\(text)")
            }
            let files = try FileManager.default.subpathsOfDirectory(atPath: folder) + FileManager.default.contentsOfDirectory(atPath: ".")
            #expect(!files.contains { $0.hasSuffix("pwned") }, "\(files)")
        }
    }

    /// A gnuplot that runs out of disk says nothing: it leaves the first part of a picture and status 0. That is an error, and no
    /// picture is left, under no name.
    @Test(arguments: ["svg", "png"]) func picturesThatAreCutOffAreRefused(_ cut: String) throws {
        try withTemporaryFolder { folder in
            let whole = folder + "/whole", figure = Figure(name: "f", body: "plot x", data: [])
            try Gnuplot().draw(figure, in: whole)
            try Gnuplot().draw(figure, in: folder + "/out")
            let fake = folder + "/bin/gnuplot"
            try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
            let script =
                "#!/bin/sh\ncd '\(folder)/out'\nfor e in svg png; do cp '\(whole)'/f.$e f.$e.part; done\ntruncate -s -1 f.\(cut).part\n"
            try Data(script.utf8).write(to: URL(fileURLWithPath: fake))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: fake)
            // One byte is a line end in SVG's case, and may be missing; two are the tag's.
            if cut == "svg" { try Data(script.replacingOccurrences(of: "-s -1", with: "-s -3").utf8).write(to: URL(fileURLWithPath: fake)) }
            let said = message { try Gnuplot(path: folder + "/bin").draw(figure, in: folder + "/out") }
            #expect(said.contains("f.\(cut) came out cut off"), "\(said)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/out") == ["f.gp"])
        }
    }

    /// The real gnuplot under a limit on the size of files, as a stand-in for a full disk: it ends with status 0.
    @Test func aFullDiskIsNoticed() throws {
        try withTemporaryFolder { folder in
            let fake = folder + "/gnuplot"
            let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            let real = try #require(folders.map { "\($0)/gnuplot" }.first(where: FileManager.default.isExecutableFile))
            try Data("#!/bin/sh\ntrap '' XFSZ\nulimit -f 8\n\(real) \"$@\"\nexit 0\n".utf8).write(to: URL(fileURLWithPath: fake))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: fake)
            let figure = Figure(name: "f", body: "set samples 5000\nplot for [k=1:9] sin(k*x)", data: [])
            #expect(message { try Gnuplot(path: folder).draw(figure, in: folder + "/out") }.contains("gnuplot could not draw"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/out") == ["f.gp"])
        }
    }

    @Test func pictureFilesAreCheckedToTheirEnds() throws {
        try withTemporaryFolder { folder in
            try Gnuplot().draw(Figure(name: "f", body: "plot x", data: []), in: folder)
            let png = try Data(contentsOf: URL(fileURLWithPath: folder + "/f.png")),
                svg = try Data(contentsOf: URL(fileURLWithPath: folder + "/f.svg"))
            func isWhole(_ data: Data, _ name: String) throws -> Bool {
                try data.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
                return isWholePicture("\(folder)/\(name)")
            }
            #expect(try isWhole(png, "g.png") && isWhole(svg, "g.svg") && isWholePicture(folder + "/none.png") == false)
            for count in [0, 1, 7, 8, 12, 20, 100, png.count / 2, png.count - 13, png.count - 12, png.count - 4, png.count - 1] {
                #expect(try !isWhole(png.prefix(count), "g.png"), "\(count)")
            }
            var damaged = png
            damaged[png.count / 2] ^= 1
            #expect(try !isWhole(damaged, "g.png") && !isWhole(png + png.suffix(12), "g.png"))
            for count in [0, 10, svg.count / 2, svg.count - 8] { #expect(try !isWhole(svg.prefix(count), "g.svg"), "\(count)") }
        }
    }
}
