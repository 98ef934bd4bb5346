// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
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
}
