// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// What a build without MPI says of ranks, and the commands around them. `.ci/ranks` runs them over MPI.
@Suite final class RankOptionTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    private var table: [String] { ["table1", "--only", "resnet8-float", "--threads", "1", "--precision", "f32", "--out", folder + "/out"] }

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    @Test func ranksThatCannotBeAreRefused() throws {
        let openMPI = ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"], mpich = ["PMI_SIZE": "2", "PMI_RANK": "0"]
        let slurm = ["SLURM_STEP_NUM_TASKS": "2", "PMIX_RANK": "0"]
        for environment in [openMPI, mpich, slurm] {
            try expectRefusal(
                table, "2 processes were started, which would all write the same files: add --ranks 2", environment: environment)
            try expectRefusal(table + ["--ranks", "3"], "--ranks 3, but 2 processes were started", environment: environment)
        }
        try expectRefusal(table + ["--ranks", "2"], "built without MPI")
        // Tasks of Slurm's without MPI are no ranks of a job.
        try expectRefusal(
            table + ["--ranks", "2"], "built without MPI", environment: ["SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"])
        try expectRefusal(table + ["--ranks", "0"], "--ranks must be 1 to 4096, not 0")
        try expectRefusal(table + ["--stop-after=-1"], "--stop-after must be 0 or more steps")
        try expectRefusal(table + ["--shards", "3"], "--shards must be a power of two")
        try expectRefusal(table + ["--shards", "1024"], "shards must be a power of two, at most batch_size")
        // The first rank says it; the others end.
        let (status, output) = try Program("reproduce", table, environment: ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"])
            .finish()
        #expect(status == 64 && output.isEmpty, "\(output)")
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
    }

    /// As a shell runs them: quoted where they must be; stages follow each other.
    @Test func aPlanIsLinesOfAShell() throws {
        let out = folder + "/a pla\u{301}n's"
        let (status, output) = try Program(
            "reproduce", ["plan", "table1", "--seeds", "1,2", "--precision", "f32", "--shards", "4", "--out", out]
        ).finish()
        #expect(status == 0, "\(output)")
        func lines(_ name: String) throws -> [String] {
            try String(contentsOfFile: "\(out)/plan/\(name)", encoding: .utf8).split(separator: "\n").map(String.init)
        }
        let (float, quantized) = (try lines("float.jobs"), try lines("quantized.jobs"))
        #expect(
            float.count == 2 && float[0].hasSuffix("--only resnet8-float --seeds 1 --resume") && float[0].contains("--shards 4"), "\(float)"
        )
        #expect(float[0].contains("--dataset fashion-mnist"), "\(float)")
        #expect(quantized.count == 4 && quantized.allSatisfy { $0.contains("--only resnet8-1w4a-b") && $0.contains("'") }, "\(quantized)")
        // A batch system that runs each task at once, in place of Slurm's; the program only says what it was called with.
        let script = """
            cd '\(folder)' && mkdir bin .build .build/release
            printf '#!/bin/sh\\necho ran "$@" >>"%s/ran"\\n' '\(folder)' >.build/release/reproduce
            cat >bin/sbatch <<'END'
            #!/bin/sh
            while [ "$1" != --wrap ]; do case $1 in --array=1-*) count=${1#--array=1-} ;; --dependency=*) echo "$1" >>ran ;; esac; shift; \
            done
            for task in $(seq "$count"); do SLURM_ARRAY_TASK_ID=$task sh -c "$2"; done
            echo 17
            END
            chmod +x bin/sbatch .build/release/reproduce
            sed -i "s|^cd .*|cd '\(folder)'|" "a pla\u{301}n's/plan/submit.sh"
            PATH="$PWD/bin:$PATH" sh "a pla\u{301}n's/plan/submit.sh" --partition=cpu && cat ran
            """
        let (end, ran) = try Program(shell: script).finish()
        let all = ran.split(separator: "\n")
        #expect(
            end == 0 && all.count { $0.hasPrefix("ran table1 --protocol smoke") } == 6 && all.contains("--dependency=afterok:17"), "\(ran)")
        #expect(all.first == "float.jobs: job 17" && all.contains { $0.contains("--out \(out)") }, "\(ran)")
        try expectRefusal(["plan", "table9"], "the table must be table1 to table5")
        // A folder that the environment names is none of Fashion-MNIST's, so that its lines do without.
        let named = try Program(
            "reproduce", ["plan", "table1", "--dataset", "fashion-mnist", "--out", out], environment: ["BCGD_DATA": "/no/such"]
        ).finish()
        #expect(try named.status == 0 && !lines("float.jobs").contains { $0.contains("--data ") }, "\(named)")
    }

    @Test func checkpointsAreComparedBitForBit() throws {
        func train(_ name: String, _ options: String...) throws {
            let table = [
                "table1", "--only", "resnet8-float", "--threads", "1", "--precision", "f32", "--shards", "2", "--out", "\(folder)/\(name)"
            ]
            let (status, output) = try Program("reproduce", table + options).finish()
            #expect(status == 0, "\(output)")
        }
        try train("a", "--stop-after", "1")
        try train("b", "--stop-after", "3")
        let run = "fashion-mnist-resnet8-float-smoke-seed1.safetensors",
            (a, b) = ("\(folder)/a/checkpoints/\(run)", "\(folder)/b/checkpoints/\(run)")
        let same = try Program("reproduce", ["compare-checkpoints", a, a]).finish()
        #expect(same.status == 0 && same.output.contains("equal"), "\(same)")
        let folders = try Program("reproduce", ["compare-checkpoints", "\(folder)/a", "\(folder)/a/checkpoints"]).finish()
        #expect(folders.status == 0 && folders.output.contains("\(run): equal"), "\(folders)")
        #expect(try Program("reproduce", ["compare-checkpoints", a, b]).finish().status == 1)
        try train("a", "--stop-after", "2", "--resume")
        #expect(try Program("reproduce", ["compare-checkpoints", a, b]).finish().status == 0)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: b))
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: URL(fileURLWithPath: b))
        try expectRefusal(["compare-checkpoints", a, b], "checksum")
        try expectRefusal(["compare-checkpoints", a, "\(folder)/none"], "there is no")
        try expectRefusal(["compare-checkpoints", a, folder], "holds no checkpoints")
    }
}
