// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import TestSupport
import Testing

@Suite struct ToolTests {
    /// The terminal sends Ctrl-C to its foreground process group: ours.
    @Test(arguments: [false, true])
    func interruptsReachTheToolUnlessItOutlivesThem(outlives: Bool) throws {
        // Field 5 of /proc/PID/stat is the process group (proc(5)).
        let found = try runTool("sh", ["-c", "cut -d ' ' -f 1,5 /proc/$$/stat"], package: "dash", outlivesInterrupt: outlives)
        let numbers = found.output.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
        try #require(numbers.count == 2)
        #expect((numbers[1] == getpgrp()) == !outlives)
        #expect((numbers[1] == numbers[0]) == outlives)
    }

    /// Nobody would write what it waits for.
    @Test func aToolThatCannotBeFedIsNotStarted() throws {
        let input = [UInt8](repeating: 7, count: 1 << 20)
        let said = message { _ = try withoutThreads { try runTool("wc", ["-c"], package: "coreutils", input: input) } }
        #expect(said.hasPrefix("cannot start a thread (tool input): "), "\(said)")
        #expect(try runTool("wc", ["-c"], package: "coreutils", input: input).output == "1048576\n")
    }

    /// A program of ours ignores SIGPIPE and blocks the signals that stop it; tools rely on the usual ones.
    @Test func toolsStartWithTheUsualSignals() throws {
        let before = signal(SIGPIPE, SIG_IGN)
        var blocked = sigset_t(), mask = sigset_t()
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGUSR1)
        pthread_sigmask(SIG_BLOCK, &blocked, &mask)
        defer {
            signal(SIGPIPE, before)
            pthread_sigmask(SIG_SETMASK, &mask, nil)
        }
        let found = try runTool("grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"], package: "grep")
        let masks = found.output.split(separator: "\n").compactMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }
        try #require(masks.count == 2)
        #expect(masks[0] == 0 && masks[1] & (1 << (SIGPIPE - 1)) == 0)
    }
}
