// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Two processes at the same files.
@Suite(.serialized) final class TwoProcessTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    private let run = "fashion-mnist-resnet8-float-smoke-seed1"
    private var training: [String] {
        ["table1", "--only", "resnet8-float", "--threads", "1", "--precision", "f32", "--out", folder + "/out"]
    }

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The second is told who trains the run, whether a checkpoint is there or not; `kill -9` frees it.
    @Test func aRunHasOneTrainer() throws {
        let first = try Program("reproduce", training)
        first.wait(for: "from the start")
        let refusal = "\(run) is being trained by process \(first.identifier) on "
        try expectRefusal(training, refusal)
        try expectRefusal(training + ["--resume"], refusal)
        // Of a quantized run that starts from it, too.
        try expectRefusal(training.map { $0 == "resnet8-float" ? "resnet8-1w4a-bcgd" : $0 } + ["--resume"], refusal)
        first.kill()
        _ = first.finish()
        let second = try Program("reproduce", training + ["--resume"])
        second.wait(for: "from the start")
        Thread.sleep(forTimeInterval: 0.5)
        second.interrupt()
        #expect(second.finish().status == 130)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/out/checkpoints") == [run + ".safetensors"])
    }

    @Test func exportsOfOneFile() throws {
        let script = """
            cd '\(folder)'
            "$benchmark" model --network resnet8 model.bcgd
            for i in 1 2 3 4 5 6 7 8; do
                { "$reproduce" export model.bcgd -o again.bcgd >/dev/null || echo failed; } &
            done
            wait
            cmp model.bcgd again.bcgd && echo same
            """
        let (_, output) = try Program(shell: script).finish()
        #expect(output == "same\n", "\(output)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["again.bcgd", "model.bcgd"])
    }

    /// The test's own process holds the folder's lock.
    @Test func reportsWaitForTheirTurn() throws {
        for name in ["runs.csv", "runs", "theory", "benchmarks"] {
            try FileManager.default.copyItem(atPath: Program.package.path + "/results/" + name, toPath: folder + "/" + name)
        }
        let lock = open(folder + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        try #require(flock(lock, LOCK_EX | LOCK_NB) == 0)
        let report = try Program("reproduce", ["report", "--out", folder])
        report.wait(for: "waiting for another process, which writes into \(folder)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/tables/table1.md"))
        close(lock)
        let (status, output) = report.finish()
        #expect(status == 0 && FileManager.default.fileExists(atPath: folder + "/tables/table1.md"), "\(status): \(output)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/.lock"))
    }
}
