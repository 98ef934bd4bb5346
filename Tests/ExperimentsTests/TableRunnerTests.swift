// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Experiments
import Foundation
import Graph
import Reporting
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// The table runner on small images: the cells of table 1 at protocol smoke, two epochs of two steps.
@Suite(.serialized) struct TableRunnerTests {
    let folder: TemporaryFolder
    let data = syntheticDataset(train: 32, test: 20)

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: experiments, toPath: folder.path + "/E")
        try schedule(batch: 16)
    }

    func schedule(batch: Int, learningRate: String = "") throws {
        let phase = "{ epochs: 2, milestones: [1], batch_size: \(batch), crop_padding: 1\(learningRate) }"
        _ = try folder.write(
            "float: \(phase)\nquantized: { epochs: 2, milestones: [1], batch_size: \(batch), crop_padding: 1 }\n",
            to: "E/protocols/smoke.yaml")
    }

    func output(_ name: String) throws -> OutputFolder { try OutputFolder("\(folder.path)/\(name)") }

    func run(
        _ cells: [String], seeds: [UInt64] = [1], in out: String, resume: Bool = false, on dataset: (any Dataset)? = nil,
        stop: StopRequest = StopRequest(),
        command: String = "first", watching: Watching = Watching(), precision: Precision? = .f32, floatPrecision: Precision? = nil
    ) throws {
        let all = ExperimentFolder(folder.path + "/E"), smoke = try all.cells(.smallImages, .smoke)
        let runner = try TableRunner(
            cells: smoke, dataset: dataset ?? data, threads: ComputeThreads(1), precision: precision, floatPrecision: floatPrecision,
            output: try output(out), experiments: all, invocation: Invocation(commit: "abc", command: command), watching: watching,
            stop: stop)
        try runner.run(try smoke.selection(of: [try all.table("table1", .smallImages)], only: cells), seeds: seeds, resume: resume)
    }

    func names(_ seed: Int) -> [String] { ["float", "1w4a-bcgd"].map { "synthetic-resnet8-\($0)-smoke-seed\(seed)" } }
    func tensors(_ out: String, _ run: String) throws -> [String: StoredTensor] {
        try SafetensorsFile(path: "\(folder.path)/\(out)/checkpoints/\(run).safetensors").tensors
    }
    func curve(_ out: String, _ run: String) throws -> [[Substring]] {
        try String(contentsOfFile: "\(folder.path)/\(out)/runs/\(run)/curve.csv", encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ",")
        }
    }

    /// A quantized run in mixed precision may start from the float run in f32; its row's recipe tells.
    @Test func floatRunsMayHaveAPrecisionOfTheirOwn() throws {
        try run(["resnet8-float"], in: "p")
        try run(["resnet8-1w4a-bcgd"], in: "p", resume: true, precision: .mixed, floatPrecision: .f32)
        try run(["resnet8-1w4a-bcgd"], in: "q", precision: .mixed)
        let rows = try output("p").rows() + output("q").rows(), digests = rows.map(\.provenance.recipeDigest)
        #expect(rows.map(\.condition.precision) == [.f32, .mixed, .mixed, .mixed] && digests[1] != digests[3])
    }

    /// A run that starts from a quantized run takes its weights and step sizes; one with validation images has another data set and float
    /// run.
    @Test func runsStartFromRunsAndValidationImagesAreAnotherDataSet() throws {
        let cells = try String(contentsOfFile: folder.path + "/E/cells.yaml", encoding: .utf8)
        let further = """

              - { cell: after, method: bc, protocols: [smoke], network: resnet8, weight_bits: 1, activation_bits: 4, start: \
            resnet8-1w4a-bcgd, rate: 1.0e-30 }
              - { cell: tuned-float, protocols: [smoke], network: resnet8, method: float, validation_images: 8 }
              - { cell: tuned, protocols: [smoke], network: resnet8, weight_bits: 1, activation_bits: 4, start: tuned-float, \
            validation_images: 8 }

            """
        _ = try folder.write(cells + further, to: "E/cells.yaml")
        _ = try folder.write("title: T\ncolumns: [bits, validation_images]\ncells: [after, tuned-float, tuned]\n", to: "E/table1.yaml")
        try run(["after", "tuned"], in: "s")
        let rows = try output("s").rows()
        #expect(rows.map(\.condition.cell) == ["resnet8-float", "resnet8-1w4a-bcgd", "after", "tuned-float", "tuned"])
        #expect(rows.suffix(2).allSatisfy { $0.condition.dataset.name == "synthetic, 8 validation images" && $0.testImages == 8 })
        // At this rate nothing moves.
        let (before, after) = (try tensors("s", "synthetic-resnet8-1w4a-bcgd-smoke-seed1"), try tensors("s", "synthetic-after-smoke-seed1"))
        for name in before.keys where name.hasSuffix(".weight") || name.hasSuffix(".resolution") {
            #expect(before[name] == after[name], "\(name)")
        }
        #expect(FileManager.default.fileExists(atPath: folder.path + "/s/runs/synthetic-8-validation-images-tuned-smoke-seed1/curve.csv"))
    }

    /// Seed by seed, each quantized run after the float one that it starts from, which nobody named; a second call finds all done.
    @Test func floatRunsComeFirstAndNothingIsRunTwice() throws {
        try run(["resnet8-1w4a-bcgd"], seeds: [2, 1], in: "a")
        let rows = try output("a").rows()
        #expect(rows.map(\.name) == names(2) + names(1))
        #expect(
            rows.allSatisfy {
                $0.epochs == 2 && $0.testImages == 20 && $0.correctFinal != nil && $0.provenance.commit == "abc"
                    && $0.provenance.threads == 1
            })
        #expect(rows.map(\.condition.method) == [.float, .bcgd, .float, .bcgd] && rows[0].provenance.dataOrigin == .official)
        for run in rows {
            #expect(try output("a").outcomes(run)?.correct.count == 20 && output("a").validation(run)?.count == 2)
            let (digest, files) = (run.provenance.recipeDigest, FileManager.default)
            #expect(files.fileExists(atPath: "\(folder.path)/a/recipes/\(digest).json"))
        }
        for file in ["tables/table1.md", "tables/table1.csv", "figures/figure1-synthetic-smoke.svg", "MANIFEST"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/a/\(file)"), "\(file)")
        }
        #expect(throws: (any Error).self) { try run(["resnet8-1w4a-bcgd"], seeds: [2], in: "a") }
        try run(["resnet8-1w4a-bcgd"], seeds: [1, 2], in: "a", resume: true, command: "second")
        #expect(try output("a").rows() == rows)
        // Another recipe of the same name is refused, by the key that differs.
        try schedule(batch: 8)
        #expect { try run(["resnet8-1w4a-bcgd"], seeds: [1], in: "a", resume: true) } throws: { "\($0)".contains("batch_size: 16, now 8") }
        #expect(try output("a").rows() == rows)
    }

    /// Stopped within the second epoch of the first run, and resumed: the tensors, curves and rows of the unbroken table. Epochs keep
    /// the command of the session that trained them.
    @Test func aTableGoesOnAfterAStop() throws {
        try run(["resnet8-1w4a-bcgd"], in: "a")
        let stop = StopRequest()
        try run(["resnet8-1w4a-bcgd"], in: "b", on: StoppingDataset(data, epoch: 1, stop), stop: stop)
        #expect(stop.isMade)
        #expect(
            try output("b").rows().isEmpty && Checkpoint(path: "\(folder.path)/b/checkpoints/\(names(1)[0]).safetensors").state.epoch == 1)
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/b/checkpoints/\(names(1)[1]).safetensors"))
        #expect { try run(["resnet8-1w4a-bcgd"], in: "b") } throws: { "\($0)".contains("already holds \(names(1)[0]): add --resume") }
        try run(["resnet8-1w4a-bcgd"], in: "b", resume: true, command: "second")
        for name in names(1) {
            let same = try tensors("a", name) == tensors("b", name)
            #expect(same, "\(name)")
            let (whole, broken) = (try curve("a", name), try curve("b", name))
            #expect(whole.map { $0.prefix(10) } == broken.map { $0.prefix(10) } && whole.count == 3)
            #expect(broken.map(\.last) == (name == names(1)[0] ? ["how", "first", "second"] : ["how", "second", "second"]))
        }
        func facts(_ row: RunRow) -> RunRow {
            var row = row
            (row.provenance.seconds, row.provenance.how) = (1, "")
            return row
        }
        #expect(try output("a").rows().map(facts) == output("b").rows().map(facts))
    }

    /// A row for each epoch and layer of the quantized run, none of the float one; the same tensors and curve as without it.
    @Test func diagnosticsAreKeptBesideTheCurve() throws {
        try run(["resnet8-1w4a-bcgd"], in: "a")
        try run(["resnet8-1w4a-bcgd"], in: "d", watching: Watching(diagnostics: true))
        for name in names(1) {
            let same = try tensors("a", name) == tensors("d", name)
            #expect(same, "\(name)")
            #expect(try curve("a", name).map { $0.prefix(10) } == curve("d", name).map { $0.prefix(10) })
        }
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/d/runs/\(names(1)[0])/diagnostics.csv"))
        let table = try CSVTable(contentsOf: "\(folder.path)/d/runs/\(names(1)[1])/diagnostics.csv")
        let graph = try smokeGraph(), weighted = graph.weightedLayers,
            activations = graph.nodes.filter { if case .activation = $0.operation { true } else { false } }.map(\.name)
        #expect(table.rows.map { $0[3] + $0[4] } == ["1", "2"].flatMap { epoch in (activations + weighted).map { epoch + $0 } })
        for row in table.rows.indices {
            let isActivation = activations.contains(table[row, "layer"])
            #expect(
                (Double(table[row, "step_size"]) ?? 0 > 0) == isActivation
                    && (Double(table[row, "weight_distance"]) ?? 0 > 0) == !isActivation)
            #expect(table[row, "weight_changes_percent"].isEmpty == isActivation && table[row, "commit"] == "abc")
        }
        let page = try String(contentsOfFile: "\(folder.path)/d/index.html", encoding: .utf8)
        #expect(page.contains("<h2>Layers</h2>") && page.contains("integer weights that a step changes, %"))
    }

    /// Of all runs, by their names, as a program that shows them would keep it.
    private final class Logs: @unchecked Sendable {
        final class Log: ScalarLog {
            let lastStep: Int?
            private let keep: (Int, [String: Double]) -> Void
            init(_ lastStep: Int?, _ keep: @escaping (Int, [String: Double]) -> Void) { (self.lastStep, self.keep) = (lastStep, keep) }
            func append(step: Int, _ scalars: [(tag: String, value: Double)]) {
                keep(step, Dictionary(uniqueKeysWithValues: scalars.map { ($0.tag, $0.value) }))
            }
        }
        var epochs: [String: [(step: Int, scalars: [String: Double])]] = [:]
        var watching: Watching {
            Watching { run in Log(self.epochs[run]?.last?.step) { self.epochs[run, default: []].append(($0, $1)) } }
        }
    }

    /// Each epoch once, of a session without a log, too; step sizes and weights of the quantized run; none of a log that is ahead of the
    /// run.
    @Test func logsTakeEachEpochOnce() throws {
        let (logs, stop) = (Logs(), StopRequest()), cell = ["resnet8-1w4a-bcgd"]
        try run(cell, in: "l", on: StoppingDataset(data, epoch: 1, stop), stop: stop)
        try run(cell, in: "l", resume: true, watching: logs.watching)
        #expect(names(1).map { logs.epochs[$0]?.map(\.step) ?? [] } == [[1, 2], [1, 2]])
        let last = try #require(logs.epochs[names(1)[1]]?.last?.scalars), curve = try curve("l", names(1)[1])
        #expect(last["rate"] == Double(curve[2][4]) && abs((last["top1/test"] ?? 0) - (Double(curve[2][8]) ?? -1)) < 1e-4)
        let graph = try smokeGraph()
        #expect(
            last.keys.count { $0.hasPrefix("alpha/") } == graph.nodes.count { if case .activation = $0.operation { true } else { false } })
        #expect(graph.weightedLayers.allSatisfy { last["weight_zero/\($0)"] == 0 && last["weight_distance/\($0)"] ?? 0 > 0 })
        #expect { try run(cell, in: "m", watching: logs.watching) } throws: {
            "\($0)".contains("has 2 epochs, but the run stands after epoch 0")
        }
    }

    /// A session that ended between a run's last checkpoint and its curve, as on a full disk: the next one finds the run finished.
    @Test func logsHaveTheLastEpochOfARunThatIsFoundFinished() throws {
        let logs = Logs(), curve = "\(folder.path)/n/runs/\(names(1)[0])/curve.csv"
        let stop = StopRequest()
        try run(["resnet8-float"], in: "n", on: StoppingDataset(data, epoch: 1, stop), stop: stop, watching: logs.watching)
        try FileManager.default.removeItem(atPath: curve)
        try FileManager.default.createDirectory(atPath: curve, withIntermediateDirectories: true)
        #expect(throws: (any Error).self) { try run(["resnet8-float"], in: "n", resume: true, watching: logs.watching) }
        try FileManager.default.removeItem(atPath: curve)
        #expect(logs.epochs[names(1)[0]]?.map(\.step) == [1])
        try run(["resnet8-float"], in: "n", resume: true, watching: logs.watching)
        #expect(logs.epochs[names(1)[0]]?.map(\.step) == [1, 2])
    }

    private func smokeGraph() throws -> NetworkGraph {
        let cell = try #require(
            ExperimentFolder(folder.path + "/E").cells(.smallImages, .smoke).cells.first { $0.name == "resnet8-1w4a-bcgd" })
        return try cell.recipe.graph(input: FeatureShape(height: 8, width: 8, channels: 3), classes: 4)
    }

    /// Rows of two folders, put into one, stand in its tables together; the same run with other numbers does not.
    @Test func foldersMayBeMerged() throws {
        try run(["resnet8-float"], seeds: [1], in: "a")
        try run(["resnet8-float"], seeds: [2], in: "b")
        try RunRow.record(try output("b").rows(), in: output("a").runs)
        for run in try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/b/runs") {
            try FileManager.default.copyItem(atPath: "\(folder.path)/b/runs/\(run)", toPath: "\(folder.path)/a/runs/\(run)")
        }
        let all = ExperimentFolder(folder.path + "/E")
        #expect(try !ResultFiles(try output("a"), experiments: all).drift().isEmpty)
        try ResultFiles(try output("a"), experiments: all).write()
        #expect(try ResultFiles(try output("a"), experiments: all).drift().isEmpty)
        #expect(try String(contentsOfFile: "\(folder.path)/a/tables/table1.md", encoding: .utf8).contains("| 1, 2  |"))
        let csv = try String(contentsOfFile: output("a").runs, encoding: .utf8)
        try (csv + csv.split(separator: "\n")[1].replacing(",abc,", with: ",def,") + "\n").write(
            toFile: output("a").runs, atomically: true, encoding: .utf8)
        #expect { try ResultFiles(try output("a"), experiments: all) } throws: { "\($0)".contains("rows 1 and 3 are the same run") }
    }
}
