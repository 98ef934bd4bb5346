// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// What the folder, the rows and the recipes may hold that no run wrote.
extension ReportTests {
    /// A report removes what an earlier one made and nobody changed; files that are only named alike, and changed ones, stay.
    @Test func filesOfOthersStay() throws {
        try withCopy {
            #expect(try report().status == 0)
            let own = ["figures/figure9-mine.png", "table7notes.md", "tables/table9.md", "paper/mine.tex", "figure1-mine.csv"]
            for file in own { try "mine".write(toFile: results + "/" + file, atomically: true, encoding: .utf8) }
            #expect(try report("--check").status == 0)
            try FileManager.default.removeItem(atPath: results + "/theory")
            try edit("results/paper/theory-verdicts.tex", "toprule", "midrule")
            let left = try report("--check")
            #expect(
                left.status == 1 && left.output.contains("theory-findings.tex") && !left.output.contains("theory-verdicts.tex"), "\(left)")
            let written = try report()
            #expect(
                written.status == 0 && written.output.contains("theory-verdicts.tex was made by an earlier report and changed since"),
                "\(written)")
            #expect(!FileManager.default.fileExists(atPath: results + "/paper/theory-findings.tex"))
            for file in own + ["paper/theory-verdicts.tex"] {
                #expect(FileManager.default.fileExists(atPath: results + "/" + file), "\(file)")
            }
            #expect(try report("--check").status == 0)
            // What a manifest says of other places is not believed.
            let manifest = try String(contentsOfFile: results + "/MANIFEST", encoding: .utf8)
            for line in [
                "00000000 ../page.md", "00000000 /etc/hostname", "00000000 figures/figure1/../../page.md", "00000000 runs.csv",
                "tables/table1.md"
            ] {
                try (manifest + line + "\n").write(toFile: results + "/MANIFEST", atomically: true, encoding: .utf8)
                try expectRefusal(["report", "--out", results, "--readme", folder + "/page.md"], "MANIFEST:")
            }
        }
    }

    /// Rows that no run writes are refused by row and column: each edit of the committed file.
    @Test(arguments: [
        (",mixed,", ",fp16,", "precision: expected one of f32, mixed"), (",bcgd,", ",sgd,", "method: expected one of"),
        (",bcgd,", ",float,", "method: expected one of"),
        (",brief,", ",long,", "protocol: expected one of smoke, brief, short, paper"), (",1,4,", ",9,4,", "weight_bits: expected one of"),
        (",all,", ",some,", "quantized_layers: expected"),
        (",three-valued,", ",four-valued,", "resolution_derivative: expected"), (",1e-05,", ",-1,", "blending: expected"),
        (",30,10000,", ",29,10000,", "has 29 epochs, protocol short has 30"),
        (",4,10000,", ",99,10000,", "diverged in epoch 100, protocol short has 30"),
        ("CIFAR-10,", "CIFAR-10'\u{301} noenhanced; `touch pwned` #,", "dataset: expected a name")
    ])
    func impossibleRowsAreRefused(_ old: String, _ new: String, _ words: String) throws {
        try withCopy {
            try edit("results/runs.csv", old, new)
            try expectRefusal(["report", "--out", results, "--readme", folder + "/page.md"], words)
        }
    }

    /// Titles run no command and are no markup, wherever they stand; what hides its neighbours is refused.
    @Test func titlesAreText() throws {
        try withCopy {
            let experiments = folder + "/experiments"
            try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: experiments)
            func titled(_ title: String) throws {
                for name in ["figure1", "figure2", "table1"] {
                    let path = "\(experiments)/\(name).yaml"
                    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
                    let new = lines.map { $0.hasPrefix("title:") ? "title: \"\(title)\"" : String($0) }
                    try new.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
                }
            }
            try titled("<script>' noenhanced; `touch pwned` # $&\\\\")
            #expect(try report("--experiments", experiments).status == 0)
            for file in ["\(results)/tables/table1.md", "\(folder)/page.md"] {
                #expect(
                    try !String(contentsOfFile: file, encoding: .utf8).replacingOccurrences(of: "\\<", with: "").contains("<script>"),
                    "\(file)")
            }
            let title = ##"$<$script$>$' noenhanced; `touch pwned` \# \$\&\textbackslash{}"##
            #expect(try String(contentsOfFile: "\(results)/paper/runs.tex", encoding: .utf8).contains(title))
            for place in [folder, results, results + "/figures", Program.package.path] {
                #expect(!FileManager.default.fileExists(atPath: place + "/pwned"))
            }
            for bad in ["'\u{301}", "a\\u0001b", "a\\nb", "=1+1"] {
                try titled(bad)
                try expectRefusal(
                    ["report", "--out", results, "--experiments", experiments, "--readme", folder + "/page.md"], "title must be")
            }
        }
    }
}
