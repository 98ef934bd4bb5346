// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Output that cannot be written, signals, terminals that go away, and tools that do not end: real programs on real images
/// (Fashion-MNIST).
@Suite(.serialized) final class SurroundingsTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    private var checkpoint: String { folder + "/out/checkpoints/fashion-mnist-resnet8-float-smoke-seed1.safetensors" }
    /// A training of minutes.
    private var training: [String] {
        ["table1", "--only", "resnet8-float", "--threads", "1", "--precision", "f32", "--out", folder + "/out"]
    }
    private var trainingWords: String { "\"$reproduce\" " + training.map { "\"\($0)\"" }.joined(separator: " ") }

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func parts() -> [String] {
        ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".part") || $0.hasSuffix(".lock") }
    }

    private func write(_ text: String, _ name: String) throws {
        try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }

    /// Puts tools in front of those of the system.
    private func shadow(_ tools: [String: String]) throws {
        for (name, script) in tools {
            try write("#!/bin/sh\n" + script + "\n", name)
            try #require(chmod("\(folder)/\(name)", 0o755) == 0)
        }
    }

    /// The parser's own output as well as ours; a full disk (/dev/full), a closed stream, a pipe without its reader.
    @Test(arguments: [
        "\"$reproduce\" list", "\"$reproduce\" recipes", "\"$reproduce\" --help", "\"$reproduce\" --generate-completion-script bash",
        "\"$verify\" --list", "\"$verify\" --help", "\"$benchmark\" --help"
    ])
    func lostOutputIsNoSuccess(_ command: String) throws {
        for (redirected, reason) in [
            ("\(command) >/dev/full", "No space left on device"), ("\(command) >&-", "Bad file descriptor"),
            ("{ sleep 0.2; \(command); echo \"status $?\" >&2; } | true", "Broken pipe")
        ] {
            let (status, output) = try Program(shell: redirected).finish()
            let lines = output.split(separator: "\n")
            #expect(status == 74 || lines.last == "status 74", "\(redirected): \(status) \(output)")
            #expect(lines.first?.hasSuffix(": cannot write to standard output: \(reason)") == true, "\(redirected): \(output)")
        }
    }

    /// What was measured is in its files before it is said.
    @Test func lostOutputLosesNoResults() throws {
        let (status, output) = try Program(
            shell: "\"$verify\" --samples 262144 --claims loss --threads 1 --out '\(folder)/t' >/dev/full"
        ).finish()
        #expect(status == 74 && output.contains("cannot write to standard output"), "\(output)")
        for file in ["theory.csv", "theory-tests.csv", "theory.md"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder)/t/\(file)"), "\(file)")
        }
    }

    @Test(arguments: ["\"$reproduce\" list", "\"$verify\" --list", "\"$benchmark\" peaks </dev/null"])
    func instructionSetsByNameOrNotAtAll(_ command: String) throws {
        for name in ["avx3", "", "AVX2"] {
            let (status, output) = try Program(shell: "BCGD_ISA=\(name) \(command)").finish()
            #expect(status != 0 && output.hasSuffix("not \"\(name)\"\n") && output.split(separator: "\n").count == 1, "\(status) \(output)")
        }
        #expect(try Program(shell: "BCGD_ISA=portable \(command)").finish().status == 0)
        #expect(
            try Program(shell: "BCGD_ISA=portable \"$reproduce\" --version").finish().output.hasSuffix(
                "\ninstruction set portable\npacked models by portable\n"))
    }

    @Test func nothingToSayIsNothingLost() throws {
        let (status, output) = try Program(shell: "exec \(trainingWords) --threads 0 >&-").finish()
        #expect(status == 64 && !output.contains("standard output"), "\(status): \(output)")
    }

    /// Many images and a disk that takes none of their classes: the first line ends it.
    @Test func longOutputsStopEarly() throws {
        try write("P6 32 32 255\n" + String(repeating: "a", count: 3072), "a.ppm")
        let script =
            "\"$benchmark\" model --network resnet8 '\(folder)/model.bcgd' && "
            + "exec \"$reproduce\" classify '\(folder)/model.bcgd' '\(folder)/a.ppm' '\(folder)/missing.ppm'"
        let (status, output) = try Program(shell: script + " >/dev/full").finish()
        #expect(status == 74 && output == "reproduce: cannot write to standard output: No space left on device\n", "\(status): \(output)")
    }

    /// Nobody takes the notes: closed, a full disk, a pipe without its reader. The signal comes twice, as timeout(1) sends it: to
    /// its child and then to the group.
    @Test(arguments: ["2>&-", "2>/dev/full", ">&- 2>&- <&-", "2>&1 | true"])
    func trainingGoesOnWithoutStandardError(_ redirection: String) throws {
        let (pidFile, statusFile) = (folder + "/pid", folder + "/status")
        let shell = try Program(
            shell: "{ sh -c 'echo $$ >\"\(pidFile)\"; exec \(trainingWords)'; echo $? >'\(statusFile)'; } \(redirection)")
        while shell.isRunning && !parts().contains(where: { $0.hasSuffix("smoke-seed1.lock") }) { usleep(20_000) }
        Thread.sleep(forTimeInterval: 1)
        let pid = try #require(pid_t(try String(contentsOfFile: pidFile, encoding: .utf8).trimmingCharacters(in: .newlines)))
        for _ in 0..<2 { #expect(kill(pid, SIGTERM) == 0) }
        _ = shell.finish()
        #expect(try String(contentsOfFile: statusFile, encoding: .utf8) == "143\n")
        // Whole, and nothing of what is said lies in it.
        let evaluated = try Program("reproduce", ["evaluate", checkpoint, "--out", folder + "/out", "--threads", "1"]).finish()
        #expect(evaluated.output.contains("it is not finished"), "\(evaluated)")
        #expect(parts().isEmpty)
    }

    @Test(arguments: [SIGTERM, SIGHUP, SIGUSR1]) func trainingIsSaved(_ signal: Int32) throws {
        let program = try Program("reproduce", training)
        program.wait(for: "from the start")
        Thread.sleep(forTimeInterval: 1)
        program.send(signal)
        let (status, output) = program.finish()
        #expect(status == 128 + signal && output.contains("--resume goes on"), "\(status): \(output)")
        #expect(FileManager.default.fileExists(atPath: checkpoint) && parts().isEmpty)
    }

    @Test func nohupIsRespected() throws {
        let program = try Program(shell: "trap '' HUP; exec \(trainingWords)")
        program.wait(for: "from the start")
        program.send(SIGHUP)
        Thread.sleep(forTimeInterval: 1)
        program.send(SIGTERM)
        #expect(program.finish().status == 143)
    }

    /// What polls no stop request says by what it ends.
    @Test(arguments: [(SIGINT, "SIGINT"), (SIGTERM, "SIGTERM"), (SIGHUP, "SIGHUP"), (SIGUSR1, "SIGUSR1")])
    func otherCommandsEndWithAWord(_ signal: Int32, _ name: String) throws {
        let program = try Program("verify-theory", ["--samples", "\(1 << 32)", "--threads", "1", "--out", folder + "/theory"])
        program.wait(for: "0/")
        program.send(signal)
        let (status, output) = program.finish()
        #expect(status == 128 + signal && output.hasSuffix("\nverify-theory: stopped by \(name)\n"), "\(status): \(output)")
    }

    /// The tools end with us, and what they were unpacking goes. They ignore what can be ignored.
    @Test(arguments: ["curl", "tar"]) func fetchEndsItsTools(_ tool: String) throws {
        try shadow(["sha256sum": "printf '%s  x\\0' \(sum)"])
        try shadow([tool: "trap '' TERM HUP INT; echo $$ >'\(folder)/pid'; echo at work >&2; while :; do sleep 0.1; done"])
        try write("", tool == "tar" ? "cifar-10-binary.tar.gz" : "unused")
        let program = try Program(shell: "PATH='\(folder)':$PATH exec \"$reproduce\" fetch cifar10 --into '\(folder)'")
        while program.isRunning && !FileManager.default.fileExists(atPath: folder + "/pid") { usleep(10_000) }
        #expect((tool == "tar") == FileManager.default.fileExists(atPath: folder + "/cifar-10-batches-bin.part"))
        usleep(50_000)
        let pid = try #require(pid_t(try String(contentsOfFile: folder + "/pid", encoding: .utf8).trimmingCharacters(in: .newlines)))
        program.send(SIGTERM)
        let (status, output) = program.finish()
        #expect(status == 143 && output == "reproduce: stopped by SIGTERM\n", "\(status): \(output)")
        #expect(kill(pid, 0) != 0, "\(tool) still runs")
        #expect(parts().isEmpty)
    }

    /// Of the official archive, so that it is unpacked.
    private var sum: String { "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" }

    /// A limit on the size of files: the system's other full disk. The checkpoint of before stays.
    @Test func aFullDiskKeepsTheCheckpoint() throws {
        let first = try Program("reproduce", training)
        first.wait(for: "from the start")
        Thread.sleep(forTimeInterval: 0.5)
        first.interrupt()
        #expect(first.finish().status == 130)
        let saved = try #require(FileManager.default.contents(atPath: checkpoint))
        let second = try Program(shell: "ulimit -f 32; exec \(trainingWords) --resume")
        second.wait(for: "going on")
        second.interrupt()
        let (status, output) = second.finish()
        #expect(status == 1 && output.contains("Error: cannot write \(checkpoint): File too large\n"), "\(status): \(output)")
        #expect(FileManager.default.contents(atPath: checkpoint) == saved && parts().isEmpty)
    }

    /// A run that is its own session and ignores SIGHUP, as with nohup or disown, whose terminal goes away.
    @Test func trainingGoesOnWithoutItsTerminal() throws {
        let script = """
            import os, pty, signal, subprocess, sys, time
            def disown():
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                os.setsid()
            master, slave = pty.openpty()
            run = subprocess.Popen([os.environ["reproduce"]] + sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=disown,
                env=os.environ | {"TERM": "xterm"})
            os.close(slave)
            seen = b""
            while b"images/s" not in seen: seen += os.read(master, 1000)
            os.close(master)
            time.sleep(1)
            print("runs" if run.poll() is None else run.poll(), "bar" if b"\\x1b[K" in seen else "lines")
            run.terminate()
            print(run.wait())
            """
        let (_, output) = try Program(python: script, training).finish()
        #expect(output == "runs bar\n143\n", "\(output)")
        #expect(FileManager.default.fileExists(atPath: checkpoint))
    }

    @Test(arguments: ["dumb", ""]) func terminalsThatKnowNoEscapeCodesGetLines(_ kind: String) throws {
        let script = """
            import os, pty, subprocess, sys
            master, slave = pty.openpty()
            run = subprocess.Popen([os.environ["verify"]] + sys.argv[2:], stdin=slave, stdout=slave, stderr=slave,
                env=os.environ | {"TERM": sys.argv[1]})
            os.close(slave)
            seen = b""
            while True:
                try: more = os.read(master, 1000)
                except OSError: break
                if not more: break
                seen += more
            print(run.wait(), b"\\x1b" in seen, b"0/" in seen)
            """
        let arguments = [kind, "--samples", "262144", "--threads", "1", "--claims", claim, "--out", folder + "/theory"]
        let (_, output) = try Program(python: script, arguments).finish()
        #expect(output == "0 False True\n", "\(output)")
    }

    /// A quick one.
    private var claim: String { "critical-points" }

    @Test(arguments: ["/etc/passwd", "/etc/passwd/out"]) func aFileIsNoFolder(_ path: String) throws {
        try expectRefusal(["table1", "--out", path], "cannot create the folder \(path): /etc/passwd is no folder")
    }
}
