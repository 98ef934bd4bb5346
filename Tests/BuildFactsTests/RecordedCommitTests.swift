// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import TestSupport
import Testing

/// What Plugins/RecordCommit/commit.sh says of checkouts.
@Suite struct RecordedCommitTests {
    private static let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized.path

    @Test func cleanDirtyOrUnknown() throws {
        let temporary = try TemporaryFolder(), folder = temporary.path
        let checkout = folder + "/checkout", output = folder + "/output", inner = checkout + "/inner"
        for path in [checkout + "/Sources", checkout + "/results", inner + "/Sources"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        func run(_ words: String...) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = words
            (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "\(words)")
        }
        func git(_ words: String) throws {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["git", "-C", checkout] + identity + words.split(separator: " ").map(String.init)
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "\(words)")
        }
        func recorded(_ package: String) throws -> String {
            try run(Self.package + "/Plugins/RecordCommit/commit.sh", package, output)
            let text = try String(contentsOfFile: output + "/Commit.swift", encoding: .utf8)
            return String(try #require(text.firstMatch(of: /let recordedCommit = "(.*)"/)).1)
        }
        func put(_ text: String, _ name: String) throws {
            try text.write(toFile: checkout + "/" + name, atomically: false, encoding: .utf8)
        }

        try put("a", "Sources/code")
        try put("a", "results/runs.csv")
        try put("a", "inner/Sources/code")
        #expect(try recorded(checkout) == "unknown")
        #expect(try recorded(folder + "/none") == "unknown")
        try git("init --quiet")
        #expect(try recorded(checkout) == "unknown")  // no commit yet
        try git("add .")
        try git("commit --quiet -m m")
        let clean = try recorded(checkout)
        #expect(clean.count >= 4 && clean.allSatisfy(\.isHexDigit))
        #expect(try recorded(inner) == "unknown")  // another repository's commit says nothing of this code
        try put("b", "results/runs.csv")
        #expect(try recorded(checkout) == clean)
        try put("b", "Sources/new")
        #expect(try recorded(checkout) == clean + "-dirty")
        try FileManager.default.removeItem(atPath: checkout + "/Sources/new")
        try put("b", "Sources/code")
        #expect(try recorded(checkout) == clean + "-dirty")

        #expect(try String(contentsOfFile: output + "/Commit.swift", encoding: .utf8).contains(/let recordedCompiler = "Swift [0-9.]+"/))

        // The same text again touches nothing, so that nothing is compiled again.
        let before = try FileManager.default.attributesOfItem(atPath: output + "/Commit.swift")[.modificationDate] as? Date
        _ = try recorded(checkout)
        #expect(try FileManager.default.attributesOfItem(atPath: output + "/Commit.swift")[.modificationDate] as? Date == before)
    }
}
