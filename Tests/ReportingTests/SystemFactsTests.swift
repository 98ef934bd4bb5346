// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct SystemFactsTests {
    @Test func processorName() throws {
        try withTemporaryFolder { folder in
            try Data("processor\t: 0\nmodel name\t: A: CPU\n".utf8).write(to: URL(fileURLWithPath: folder + "/cpuinfo"))
            #expect(SystemFacts.processor(cpuinfo: folder + "/cpuinfo") == "A: CPU")
            try Data("processor\t: 0\n".utf8).write(to: URL(fileURLWithPath: folder + "/cpuinfo"))
            #expect(SystemFacts.processor(cpuinfo: folder + "/cpuinfo") == "unknown")
            #expect(SystemFacts.processor(cpuinfo: folder + "/none") == "unknown")
        }
    }
}
