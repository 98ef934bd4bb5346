// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import Reporting
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Recording and checking, with a plan of seconds on small images.
@Suite(.serialized) struct RegressionRecorderTests {
    private let folder: TemporaryFolder
    private let plan: RegressionPlan
    private let images: ImageDataset

    init() throws {
        folder = try TemporaryFolder()
        let base = baseRecipe.split(separator: "\n").filter { line in
            !["method", "weight_bits", "activation_bits"].contains { line.hasPrefix($0) }
        }
        _ = try folder.write(
            base.joined(separator: "\n")
                + "\nfloat: { method: float, weight_bits: 32, activation_bits: 32 }\nquantized: { method: bcgd }\n", to: "base.yaml")
        _ = try folder.write(
            "base: base.yaml\ntrain_images: 32\ntest_images: 20\ncommon: { epochs: 1, milestones: [] }\nruns:\n  - { run: q, weight_bits: "
                + "1, activation_bits: 4 }\n",
            to: "regress.yaml")
        plan = try ExperimentFolder(folder.path).regressionPlan()
        images = try plan.images(of: syntheticDataset(train: 40, test: 30))
    }

    private func runner(commit: String = "abc", threads: Int = 1, stop: StopRequest = StopRequest()) -> RegressionRunner {
        RegressionRunner(plan: plan, threads: threads, invocation: Invocation(commit: commit, command: "regress"), stop: stop)
    }

    private func record(
        _ out: String, _ seeds: ClosedRange<UInt64>, _ precision: Precision = .f32, resume: Bool = false, _ runner: RegressionRunner? = nil,
        on others: ImageDataset? = nil
    ) throws -> Bool {
        try RegressionRecorder(runner ?? self.runner(), folder: "\(folder.path)/\(out)").record(
            others ?? images, precision, seeds: Array(seeds), resume: resume)
    }

    private func samples(_ out: String) throws -> RegressionSamples { try RegressionSamples(contentsOf: "\(folder.path)/\(out)/seeds.csv") }
    private func partial(_ out: String) -> String { "\(folder.path)/\(out)/recording-synthetic-f32.csv" }

    /// Stopped after the first seed or later, refused without --resume and to another state of the code, and resumed: the seeds of an
    /// unbroken recording.
    @Test func aRecordingGoesOnAfterAStop() throws {
        #expect(try record("whole", 1...4))
        let stop = StopRequest(), file = partial("broken")
        DispatchQueue.global().async {
            while !FileManager.default.fileExists(atPath: file) { usleep(1000) }
            stop.make()
        }
        // So many seeds that the stop comes before the last.
        #expect(try !record("broken", 1...500, .f32, resume: false, runner(stop: stop)))
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/broken/seeds.csv"))
        let done = try RegressionSamples(contentsOf: file).samples.count
        #expect(done >= 1 && done < 500)
        func refusal(_ words: String, resume: Bool, _ runner: RegressionRunner? = nil) {
            #expect { try record("broken", 1...4, .f32, resume: resume, runner) } throws: { "\($0)".contains(words) }
        }
        refusal("holds a recording that was stopped: add --resume", resume: false)
        refusal(
            "is of another commit, recipe, number of threads or other images than this (def, \(plan.digest), 1, \(images.checksum))",
            resume: true, runner(commit: "def"))
        refusal("is of another commit", resume: true, runner(threads: 2))
        let others = ImageDataset(name: images.name, classes: images.classes, train: images.test, test: images.train, isOfficial: true)
        #expect { try record("broken", 1...4, resume: true, on: others) } throws: { "\($0)".contains("or other images than this") }
        #expect(try record("broken", 1...UInt64(max(4, done)), resume: true))
        let (whole, broken) = (try samples("whole"), try samples("broken"))
        #expect(
            broken.samples.prefix(4).map(\.values) == whole.samples.map(\.values) && broken.samples.map(\.seed).prefix(4) == [1, 2, 3, 4])
        #expect(whole.statistics == plan.statistics && !FileManager.default.fileExists(atPath: file))
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/whole/intervals.csv"))
        // What is recorded is not trained again, but other seeds are, and those of another commit.
        let stopped = StopRequest()
        stopped.make()
        #expect(try record("whole", 1...4, resume: true, runner(stop: stopped)))
        #expect(try !record("whole", 1...5, resume: true, runner(stop: stopped)))
        #expect(try !record("whole", 1...4, resume: true, runner(commit: "def", stop: stopped)))
    }

    /// A new recording takes the place of its own data set and precision; what another plan recorded is dropped, as its numbers mean
    /// something else.
    @Test func aRecordingTakesItsOwnPlace() throws {
        #expect(try record("a", 1...2) && record("a", 1...2, .mixed) && record("a", 5...7))
        #expect(try samples("a").samples.map { "\($0.precision.rawValue) \($0.seed)" } == ["mixed 1", "mixed 2", "f32 5", "f32 6", "f32 7"])
        let path = "\(folder.path)/a/seeds.csv", text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacingOccurrences(of: plan.digest, with: "00000000").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try record("a", 1...1))
        #expect(try samples("a").samples.map(\.seed) == [1])
    }

    /// A check finds the recorded behaviour again, and a rate ten times as large.
    @Test func aCheckTellsAChange() throws {
        #expect(try record("a", 1...12))
        let check = RegressionCheck(runner(), baseline: folder.path + "/a", seeds: 1)
        #expect(try check.run([images], [.f32], out: folder.path + "/out") == true)
        let verdicts = try CSVTable(contentsOf: folder.path + "/out/regress.csv")
        #expect(
            verdicts.rows.count == plan.statistics.count
                && verdicts.rows.indices.allSatisfy { verdicts[$0, "seeds"] == "1001" && verdicts[$0, "verdict"] != "regression" })
        #expect { try check.run([images], [.mixed], out: nil) } throws: {
            "\($0)".contains("no baseline for synthetic in mixed: none was recorded")
        }
        let stop = StopRequest()
        stop.make()
        #expect(try RegressionCheck(runner(stop: stop), baseline: folder.path + "/a", seeds: 1).run([images], [.f32], out: nil) == nil)
        // The recorded losses shifted by 9: the check's own are then far from all of them.
        let recorded = try samples("a")
        let shifted = recorded.samples.map {
            RegressionSample(
                dataset: $0.dataset, precision: $0.precision, seed: $0.seed, dataChecksum: $0.dataChecksum, provenance: $0.provenance,
                values: [$0.values[0] + 9] + $0.values.dropFirst())
        }
        try RegressionSamples(statistics: recorded.statistics, samples: shifted).table.write(to: folder.path + "/a/seeds.csv")
        #expect(try check.run([images], [.f32], out: nil) == false)
    }

    /// What runs learn in s16 is recorded bit for bit, and one other bit is a change, whatever the statistics say.
    @Test func bitsOfS16AreRecordedAndCompared() throws {
        #expect(try record("b", 1...12, .s16))
        let path = folder.path + "/b/digests.csv", table = try CSVTable(contentsOf: path)
        #expect(table.rows.count == 1 && table[0, "run"] == "q" && table[0, "recipe_digest"] == plan.digest)
        func check(threads: Int) throws -> Bool? {
            try RegressionCheck(runner(threads: threads), baseline: folder.path + "/b", seeds: 1).run([images], [.s16], out: nil)
        }
        #expect(try check(threads: 2) == true)
        let checksum = table[0, "checksum"], other = checksum.hasPrefix("0") ? "1" + checksum.dropFirst() : "0" + checksum.dropFirst()
        try table.text.replacingOccurrences(of: checksum, with: other).write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try check(threads: 1) == false)
        try "dataset,run\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect { try check(threads: 1) } throws: { "\($0)".contains("\(path) has no column seed") }
        try table.text.replacingOccurrences(of: "dataset,run", with: "run,dataset").write(toFile: path, atomically: true, encoding: .utf8)
        #expect { try check(threads: 1) } throws: { "\($0)".contains("\(path): expected the columns dataset,run,seed") }
        try FileManager.default.removeItem(atPath: path)
        #expect(try check(threads: 1) == true)
    }
}
