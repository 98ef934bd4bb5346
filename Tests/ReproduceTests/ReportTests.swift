// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// `reproduce report` on a copy of the committed results.
@Suite(.serialized) struct ReportTests {
    let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    var results: String { folder + "/results" }

    func withCopy(_ body: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: results, withIntermediateDirectories: true)
        for name in ["runs.csv", "runs", "theory", "benchmarks"] {
            try FileManager.default.copyItem(atPath: Program.package.path + "/results/" + name, toPath: results + "/" + name)
        }
        try "# Title\n<!-- results -->\nold\n<!-- /results -->\nend\n".write(toFile: folder + "/page.md", atomically: true, encoding: .utf8)
        try body()
    }

    func report(_ more: String...) throws -> (status: Int32, output: String) {
        try Program("reproduce", ["report", "--out", results, "--readme", folder + "/page.md"] + more).finish()
    }

    func edit(_ file: String, _ old: String, _ new: String) throws {
        let path = folder + "/" + file
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains(old), "\(file) does not hold \(old)")
        try text.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// A packed model must be of a run in the table, whose images it gets right; without images that is said.
    @Test func packedModelsAreChecked() throws {
        try withCopy {
            try FileManager.default.copyItem(atPath: Program.package.path + "/results/models", toPath: results + "/models")
            #expect(try report().status == 0)
            let checked = try report("--check"), model = "cifar-10-resnet20-1w4a-bcgd-short-seed1.bcgd"
            #expect(checked.status == 0 && checked.output.contains(model), "\(checked)")
            #expect(checked.output.contains("cifar-10-resnet20-32w4a-paper-seed2-mixed.safetensors: "), "\(checked)")
            try edit(
                "results/runs.csv", "CIFAR-10,resnet20,1,4,bcgd,short,1,30,10000,85.0100,",
                "CIFAR-10,resnet20,1,4,bcgd,short,9,30,10000,85.0100,")
            let run = results + "/runs/cifar-10-resnet20-1w4a-bcgd-short-seed"
            try FileManager.default.moveItem(atPath: run + "1-mixed", toPath: run + "9-mixed")
            _ = try report()
            let lost = try report("--check")
            #expect(
                lost.status == 1 && lost.output.contains("\(model) is of cifar-10-resnet20-1w4a-bcgd-short-seed1-mixed, which is not among")
            )
        }
    }

    /// As earlier versions wrote it, files of runs by kind: refused by whoever reads or writes there, until they are moved.
    @Test func filesByKindAreRefusedUntilTheyAreMoved() throws {
        try withCopy {
            #expect(try report().status == 0)
            let files = FileManager.default, runs = try files.contentsOfDirectory(atPath: results + "/runs")
            for (kind, name) in [("curves", "curve.csv"), ("correct", "correct.txt")] {
                try files.createDirectory(atPath: "\(results)/\(kind)", withIntermediateDirectories: false)
                for run in runs where files.fileExists(atPath: "\(results)/runs/\(run)/\(name)") {
                    try files.moveItem(
                        atPath: "\(results)/runs/\(run)/\(name)", toPath: "\(results)/\(kind)/\(run).\(name.suffix(3))")
                }
            }
            try files.removeItem(atPath: results + "/runs")
            let mover = "Experiments/one-folder-a-run.sh"
            try expectRefusal(["report", "--out", results, "--readme", folder + "/page.md"], "\(mover) \(results) moves them there")
            try expectRefusal(["table1", "--out", results, "--resume"], "\(mover) \(results) moves them there")
            #expect(try Program(shell: "\(Program.package.path)/\(mover) \(results)").finish().status == 0)
            #expect(try report("--check").status == 0)
        }
    }

    @Test func buildsEverythingAndTellsDrift() throws {
        try withCopy {
            let before = try report("--check")
            #expect(before.status == 1 && before.output.contains("tables/table1.md") && before.output.contains("page.md"), "\(before)")
            #expect(!FileManager.default.fileExists(atPath: results + "/tables/table1.md"), "--check must write nothing")
            let written = try report()
            #expect(written.status == 0, "\(written)")
            let clean = try report("--check")
            #expect(clean.status == 0 && clean.output.isEmpty, "\(clean)")
            let page = try String(contentsOfFile: folder + "/page.md", encoding: .utf8)
            #expect(page.hasPrefix("# Title\n<!-- results -->\n") && page.hasSuffix("<!-- /results -->\nend\n") && !page.contains("old"))

            // Each change is named, alone; so is a picture that is missing, that a full disk cut off, or that is another one.
            let tex = try #require(FileManager.default.contentsOfDirectory(atPath: results + "/tables").first { $0.hasSuffix(".tex") })
            func changed(_ old: String, _ new: String) -> (Data) -> Data? {
                { Data(String(decoding: $0, as: UTF8.self).replacingOccurrences(of: old, with: new).utf8) }
            }
            let other = try #require(FileManager.default.contents(atPath: results + "/figures/" + (try curvePicture())))
            let changes: [(String, (Data) -> Data?)] = [
                ("results/tables/table1.md", changed("95", "96")), ("results/tables/table1.csv", changed("bcgd", "bc")),
                ("results/tables/\(tex)", changed("tabular", "table")),
                ("results/figures/figure3-1.csv", changed("1.0", "2.0")), ("results/figures/figure3.gp", changed("plot", "splot")),
                ("page.md", changed("1W4A", "3W4A")),
                ("results/figures/figure3.svg", { _ in nil }), ("results/figures/figure3.png", { $0.prefix($0.count / 2) }),
                ("results/figures/figure3.png", { _ in other }),
                ("results/MANIFEST", { _ in nil }), ("results/MANIFEST", { _ in Data() }),
                ("results/tables/table1.md", { _ in Data("old".utf8) })
            ]
            for (index, (file, change)) in changes.enumerated() {
                let old = try #require(FileManager.default.contents(atPath: folder + "/" + file)), new = change(old)
                try #require(new != old)
                try FileManager.default.removeItem(atPath: folder + "/" + file)
                try new?.write(to: URL(fileURLWithPath: folder + "/" + file))
                let found = try report("--check")
                #expect(found.status == 1 && found.output.contains(file) && found.output.split(separator: "\n").count == 1, "\(found)")
                if index + 1 < changes.count { try old.write(to: URL(fileURLWithPath: folder + "/" + file)) }
            }
            // Writing again mends it.
            #expect(try report().status == 0)
            #expect(try report("--check").status == 0)
        }
    }

    private func curvePicture() throws -> String {
        try #require(
            FileManager.default.contentsOfDirectory(atPath: results + "/figures").first { $0.hasPrefix("figure1-") && $0.hasSuffix(".png") }
        )
    }

    /// The report's verdicts, numbers and tables follow the CSVs of the theory and of the benchmarks; without them they are
    /// absent, and damaged ones are refused.
    @Test func paperFollowsTheCSVs() throws {
        try withCopy {
            func text(_ name: String) throws -> String { try String(contentsOfFile: "\(results)/paper/\(name).tex", encoding: .utf8) }
            try FileManager.default.removeItem(atPath: results + "/theory")
            try FileManager.default.createDirectory(atPath: results + "/theory", withIntermediateDirectories: true)
            let how = "verify-theory --samples 1"
            try """
            claim,statement,source,method,tests,smallest_adjusted_p,detects,verdict,measured,commit,how
            one,f ≥ 0,item 1,by hand,3,0.5,0.1,holds,24 points,abc,\(how)
            two,f ≤ 0,item 2,by hand,4,1e-9,–,REJECTED,f = 1,abc,\(how)

            """.write(toFile: results + "/theory/theory.csv", atomically: true, encoding: .utf8)
            func writePower(_ how: String) throws {
                let power = "claim,caught,commit,how\none,yes,abc,\(how)\none,NO,abc,\(how)\n"
                try power.write(toFile: results + "/theory/theory-power.csv", atomically: true, encoding: .utf8)
            }
            // Faults that another run of the program planted are none of these claims'.
            try writePower("verify-theory --samples 2")
            #expect(try report().status == 0)
            #expect(try text("theory-verdicts").contains("one & $f$ $\\ge$ 0 & 3 & 0.5 & 0.1 & -- & holds \\\\"))
            try writePower(how)
            #expect(try report().status == 0)
            let verdicts = try text("theory-verdicts"), macros = try text("macros")
            #expect(verdicts.contains("one & $f$ $\\ge$ 0 & 3 & 0.5 & 0.1 & 1 of 2 & holds \\\\"), "\(verdicts)")
            #expect(verdicts.contains("& -- & REJECTED \\\\"), "\(verdicts)")
            for (name, value) in [("Claims", "2"), ("Hold", "1"), ("Tests", "7"), ("Faults", "2"), ("FaultsCaught", "1"), ("Command", how)]
            {
                #expect(macros.contains("{\\theory\(name)}{\(value)}\n"), "\(name): \(macros)")
            }
            // The fastest PyTorch of those that were timed in turns, from the committed training.csv.
            let table = try CSVRows(results + "/benchmarks/training.csv")
            let row = try #require(
                table.rows.filter {
                    $0["network"] == "vgg11" && $0["engine"] == "pytorch" && $0["precision"] == "f32" && $0["stage"] == "interleaved"
                }
                .min { Double($0["median_ms"] ?? "") ?? 0 < Double($1["median_ms"] ?? "") ?? 0 })
            #expect(
                try text("benchmarks").contains("PyTorch & f32 & \(row["median_ms"] ?? "?") & \(row["pytorch_f32_over_this"] ?? "?") &"))
            #expect(try text("benchmarks").contains("1W4A resnet20, limited to avx2 & 128 & 32 & this package & s16 & 75.00 & 3.190 &"))
            #expect(try text("benchmarks").contains("\\resultfigure{Benchmark, drawn by float/training.gp}{benchmarks/float/training.png}"))

            try edit("results/paper/macros.tex", "{2}", "{3}")
            let drift = try report("--check").output.split(separator: "\n")
            #expect(drift.count == 1 && drift[0].contains("paper/macros.tex"), "\(drift)")

            try edit("results/theory/theory.csv", ",verdict,", ",result,")
            try expectRefusal(["report", "--out", results, "--readme", folder + "/page.md"], "theory.csv has no column verdict")
            for name in ["theory", "benchmarks"] { try FileManager.default.removeItem(atPath: results + "/" + name) }
            #expect(try report().status == 0)
            #expect(!FileManager.default.fileExists(atPath: results + "/paper/theory-verdicts.tex"))
            #expect(try !text("macros").contains("theory") && !text("benchmarks").contains("result"))
        }
    }

    /// What `Paper/` includes is there, and it defines the commands that the generated files use: it builds where TeX is.
    @Test func paperFindsWhatItIncludes() throws {
        let package = Program.package.path
        let sources = try FileManager.default.contentsOfDirectory(atPath: package + "/Paper").filter { $0.hasSuffix(".tex") }
        let generated = try FileManager.default.contentsOfDirectory(atPath: package + "/results/paper").map { "results/paper/\($0)" }
        var (paper, included) = ("", [String]())
        for file in sources.map({ "Paper/\($0)" }) + generated {
            let text = try String(contentsOfFile: "\(package)/\(file)", encoding: .utf8)
            if file.hasPrefix("Paper/") { paper += text }
            included += text.matches(of: /\\input\{\\results\/([^#}]+)\}/).map { $0.1 + ".tex" }
            included += text.matches(of: /\\result(table|pages)\{.*\}\{([^#}]+)\}\n/).map { $0.2 + ".tex" }
            included += text.matches(of: /\\resultfigure\{.*\}\{([^#}]+)\}\n/).map { String($0.1) }
            for command in text.matches(of: /\\(result[a-z]+|theory[A-Z][A-Za-z]*)/).map(\.1) where !file.hasPrefix("Paper/") {
                let isUsed = paper.contains("\\newcommand{\\\(command)}") || text.contains("\\newcommand{\\\(command)}")
                #expect(isUsed, "\(file) uses \\\(command), which Paper/bcgd.tex does not define")
            }
        }
        #expect(included.count > 20)
        for file in included { #expect(FileManager.default.fileExists(atPath: "\(package)/results/\(file)"), "Paper/ includes \(file)") }
    }

    /// Runs of cells that table 1 shows make no table 2 and no sweep, though these show the same cells beside others.
    @Test func sharedCellsAloneMakeNoOtherTable() throws {
        try withCopy {
            let lines = try String(contentsOfFile: results + "/runs.csv", encoding: .utf8).split(separator: "\n")
            let kept = lines.prefix(1) + lines.filter { $0.contains(",resnet20-1w4a-bcgd,") || $0.contains(",resnet20-1w4a-bc,") }
            #expect(kept.count > 2)
            try (kept.joined(separator: "\n") + "\n").write(toFile: results + "/runs.csv", atomically: true, encoding: .utf8)
            #expect(try report().status == 0)
            let files =
                try FileManager.default.contentsOfDirectory(atPath: results + "/tables")
                + FileManager.default.contentsOfDirectory(atPath: results + "/figures")
            #expect(files.contains("table1.md") && files.contains { $0.hasPrefix("figure1-") && $0.hasSuffix(".svg") })
            #expect(!files.contains { $0.hasPrefix("table2") || $0.hasPrefix("figure2") })
        }
    }

    /// Figure 2 draws the cells of a sweep that have an accuracy; where too few are left, there is the table alone.
    @Test(arguments: [0, 1, 2]) func theSweepLeavesDivergedCellsOut(_ diverged: Int) throws {
        try withCopy {
            let lines = try String(contentsOfFile: results + "/runs.csv", encoding: .utf8).split(separator: "\n")
            let columns = lines[0].split(separator: ",").map(String.init)
            let line = try #require(lines.first { $0.contains(",short,1,") && $0.contains(",resnet20-1w4a-bcgd,") })
            func row(_ rho: String, diverged: Bool) throws -> String {
                var fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
                for (name, value) in [("cell", "resnet20-1w4a-bcgd-rho1e\(rho)"), ("blending", rho == "-3" ? "0.001" : "0.01")] {
                    fields[try #require(columns.firstIndex(of: name))] = value
                }
                for (name, value) in [("top1_final", ""), ("ci95_low", ""), ("ci95_high", ""), ("top1_best", ""), ("epochs", "4")]
                where diverged {
                    fields[try #require(columns.firstIndex(of: name))] = value
                }
                return fields.joined(separator: ",")
            }
            let rows = [String(lines[0]), try row("-3", diverged: diverged > 0), try row("-2", diverged: diverged > 1)]
            try (rows.joined(separator: "\n") + "\n").write(toFile: results + "/runs.csv", atomically: true, encoding: .utf8)
            try FileManager.default.removeItem(atPath: results + "/runs")
            let written = try report()
            #expect(written.status == 0, "\(written)")
            let table = try String(contentsOfFile: results + "/tables/figure2.md", encoding: .utf8)
            #expect(table.components(separatedBy: "diverged in epoch").count == 1 + diverged)
            let figures = try FileManager.default.contentsOfDirectory(atPath: results + "/figures")
            #expect(figures.contains { $0.hasPrefix("figure2-") && $0.hasSuffix(".svg") } == (diverged == 0), "\(figures)")
        }
    }

    /// What does not fit together is refused, and named.
    @Test func contradictionsAreRefused() throws {
        try withCopy {
            let readme = folder + "/page.md"
            func refusal(_ words: String) throws { try expectRefusal(["report", "--out", results, "--readme", readme], words) }
            try edit("results/runs.csv", ",clipped-relu,", ",other,")
            try refusal("input_derivative: expected one of")
            try edit("results/runs.csv", ",other,", ",clipped-relu,")
            try edit("results/runs.csv", ",three-valued,", ",two-valued,")
            try refusal("other settings than Experiments/cells.yaml")
            try FileManager.default.removeItem(atPath: results + "/runs.csv")
            try FileManager.default.copyItem(atPath: Program.package.path + "/results/runs.csv", toPath: results + "/runs.csv")
            let runs = try String(contentsOfFile: results + "/runs.csv", encoding: .utf8)
            let last = try #require(runs.split(separator: "\n").last)
            try (runs + last + "\n").write(toFile: results + "/runs.csv", atomically: true, encoding: .utf8)
            try refusal("are the same run")
            try runs.write(toFile: results + "/runs.csv", atomically: true, encoding: .utf8)
            let outcomes = results + "/runs/cifar-10-resnet20-1w4a-bcgd-short-seed1-mixed/correct.txt"
            let bits = try String(contentsOfFile: outcomes, encoding: .utf8)
            try String(bits.map { $0 == "f" ? "e" : $0 }).write(toFile: outcomes, atomically: true, encoding: .utf8)
            try refusal("reproduce evaluate")
            try bits.write(toFile: outcomes, atomically: true, encoding: .utf8)
            try edit("page.md", "<!-- /results -->", "")
            try refusal("must hold the line <!-- results -->")
            // The columns of before `cell`.
            try edit("results/runs.csv", ",cell,", ",name,")
            try refusal("expected the columns")
            try FileManager.default.removeItem(atPath: results + "/runs.csv")
            try refusal("holds no runs.csv")
        }
    }

    @Test(arguments: [
        (["evaluate", "/no/such.safetensors"], "/no/such.safetensors"), (["evaluate", "x", "--threads", "0"], "--threads must be 1 to 256"),
        (["table2", "--only", "resnet8-1w4a-bc"], "no cell resnet8-1w4a-bc"),
        (["figures", "--only", "resnet8-1w4a-bcgd-minimum"], "no cell"),
        (["all", "--seeds", "x"], "--seeds must be whole numbers")
    ])
    func refusals(_ arguments: [String], _ words: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try expectRefusal(arguments + ["--out", folder], words)
    }
}

/// The rows of a CSV whose fields before the last hold no commas, by column.
private struct CSVRows {
    let rows: [[String: String]]

    init(_ path: String) throws {
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        rows = lines.dropFirst().map { Dictionary(zip(lines[0], $0)) { first, _ in first } }
    }
}
