// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Testing

@Suite struct AtomicWriteTests {
    @Test func replacesAndLeavesNoPart() throws {
        let path = NSTemporaryDirectory() + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try writeAtomically(Data("one".utf8), to: path)
        try writeAtomically(Data("two".utf8), to: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
        #expect(!FileManager.default.fileExists(atPath: path + ".part"))
    }

    /// /dev/full takes no byte: the system's stand-in for a full disk.
    @Test func fullDiskIsNamedAndKeepsTheOldFile() throws {
        let folder = NSTemporaryDirectory() + UUID().uuidString
        try makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try writeAtomically(Data("old".utf8), to: folder + "/file")
        try FileManager.default.createSymbolicLink(atPath: folder + "/file.part", withDestinationPath: "/dev/full")
        let error = #expect(throws: FileError.self) { try writeAtomically(Data("new".utf8), to: folder + "/file") }
        #expect(error?.description.contains("No space left on device") == true)
        #expect(try String(contentsOfFile: folder + "/file", encoding: .utf8) == "old")
    }

    @Test func aFileIsNoFolder() {
        #expect(throws: FileError.self) { try makeFolder("/dev/null/x") }
    }
}
