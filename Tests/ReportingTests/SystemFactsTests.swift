// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import Testing

@Suite struct SystemFactsTests {
    @Test func commitIsCleanDirtyOrUnknown() throws {
        try withTemporaryFolder { folder in
            #expect(SystemFacts.commit(inFolder: folder) == "unknown")
            #expect(SystemFacts.commit(inFolder: folder + "/none") == "unknown")
            func git(_ arguments: String...) throws {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments = ["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org"] + arguments
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                try #require(process.terminationStatus == 0)
            }
            func put(_ text: String, _ name: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
            try FileManager.default.createDirectory(atPath: folder + "/results", withIntermediateDirectories: false)
            try put("a", "code")
            try put("a", "results/r")
            try git("init", "--quiet")
            #expect(SystemFacts.commit(inFolder: folder) == "unknown")  // no commit yet
            try git("add", ".")
            try git("commit", "--quiet", "--no-gpg-sign", "-m", "m")
            let clean = SystemFacts.commit(inFolder: folder)
            #expect(clean.count >= 4 && clean.allSatisfy(\.isHexDigit))
            try put("b", "results/r")
            #expect(SystemFacts.commit(inFolder: folder + "/results") == clean)
            try put("b", "new")
            #expect(SystemFacts.commit(inFolder: folder + "/results") == clean + "-dirty")
            try FileManager.default.removeItem(atPath: folder + "/new")
            try put("b", "code")
            #expect(SystemFacts.commit(inFolder: folder) == clean + "-dirty")
        }
    }

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
