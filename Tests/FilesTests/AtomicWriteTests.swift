// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import TestSupport
import Testing

@Suite struct AtomicWriteTests {
    private let temporary: TemporaryFolder
    private var folder: String { temporary.path }
    private var file: String { folder + "/file" }

    init() throws { temporary = try TemporaryFolder() }

    private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
    private func mode(_ path: String) -> mode_t {
        var facts = stat()
        return stat(path, &facts) == 0 ? facts.st_mode & 0o7777 : 0
    }

    @Test func replacesAndLeavesNoPart() throws {
        try writeAtomically(Data("one".utf8), to: file)
        try writeAtomically(Data("two".utf8), to: file)
        #expect(try text(of: file) == "two")
        try writeAtomically(Data(), to: file)
        #expect(try text(of: file) == "")
        #expect(try names() == ["file"])
    }

    /// A disk that fills up after three bytes.
    @Test func fullDiskIsNamedAndKeepsTheOldFile() throws {
        try writeAtomically(Data("old".utf8), to: file)
        var written = 0
        let error = #expect(throws: FileError.self) {
            try writeAtomically(Data("longer".utf8), to: file) { file, bytes, count in
                guard written < 3 else { errno = ENOSPC; return -1 }
                written += write(file, bytes, 1)
                return 1
            }
        }
        #expect(error?.description == "cannot write \(file): No space left on device")
        #expect(try text(of: file) == "old")
        #expect(try names() == ["file"])
    }

    @Test func keepsTheModeAndTheOwner() throws {
        let mask = umask(0o022)
        umask(mask)
        try writeAtomically(Data("new".utf8), to: file)
        #expect(mode(file) == 0o666 & ~mask)
        for mode: mode_t in [0o600, 0o640, 0o666] {
            try #require(chmod(file, mode) == 0)
            try writeAtomically(Data("newer".utf8), to: file)
            #expect(self.mode(file) == mode)
        }
        guard geteuid() == 0 else { return }  // only root gives files away
        try #require(chown(file, 65534, 65534) == 0)
        try writeAtomically(Data("newest".utf8), to: file)
        var facts = stat()
        #expect(stat(file, &facts) == 0 && facts.st_uid == 65534 && facts.st_gid == 65534)
    }

    /// The link stays, and what it leads to, there or not, is the file; wherever it is.
    @Test func writesThroughALink() throws {
        try makeFolder(folder + "/store")
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "store/real")
        for text in ["one", "two"] {
            try writeAtomically(Data(text.utf8), to: file)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: file) == "store/real")
            #expect(try TestSupport.text(of: folder + "/store/real") == text)
        }
        #expect(try names() == ["file", "store"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/store") == ["real"])
        try FileManager.default.createSymbolicLink(atPath: folder + "/circle", withDestinationPath: "circle")
        #expect(throws: FileError.self) { try writeAtomically(Data(), to: folder + "/circle") }
    }

    /// A rename would put a regular file in the place of a device such as /dev/null.
    @Test func replacesNothingButFiles() throws {
        try #require(mkfifo(file, 0o600) == 0)
        let error = #expect(throws: FileError.self) { try writeAtomically(Data("new".utf8), to: file) }
        #expect(error?.description == "cannot write \(file): it is no regular file (a pipe or a device)")
        var facts = stat()
        #expect(stat(file, &facts) == 0 && facts.st_mode & S_IFMT == S_IFIFO)
        #expect(throws: FileError("cannot write \(folder): it is a folder")) { try writeAtomically(Data(), to: folder) }
        #expect(try names() == ["file"])
    }

    @Test func writersOfOneFileDoNotDisturbEachOther() throws {
        let file = self.file
        DispatchQueue.concurrentPerform(iterations: 40) { index in
            #expect(throws: Never.self) { try writeAtomically(Data(repeating: UInt8(index), count: 10_000), to: file) }
        }
        let bytes = try readFile(file)
        #expect(bytes.count == 10_000 && Set(bytes).count == 1)
        #expect(try names() == ["file"])
    }

    /// A killed writer's part file is not locked; one that is belongs to a writer at work, and other names are not ours.
    @Test func removesWhatKilledWritersLeft() throws {
        let others = ["file.part", "file.note.part", "file.12345678.part2", "file2.12345678.part", "file.0000000a.part"]
        for name in others + ["file.12345678.part"] { try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
        let held = open(folder + "/file.0000000a.part", O_WRONLY)
        defer { close(held) }
        try #require(flock(held, LOCK_EX | LOCK_NB) == 0)
        try writeAtomically(Data("new".utf8), to: file)
        #expect(try names() == (others + ["file"]).sorted())
    }

    @Test func foldersAreMadeOrTheReasonSaid() throws {
        try makeFolder(folder + "/a//b/c/")
        try makeFolder(folder + "/a//b/c/")
        #expect(FileManager.default.fileExists(atPath: folder + "/a/b/c"))
        try writeAtomically(Data(), to: file)
        for path in [file, file + "/x"] {
            #expect(throws: FileError("cannot create the folder \(path): \(file) is no folder")) { try makeFolder(path) }
        }
        #expect(throws: FileError("cannot create the folder /proc/x: No such file or directory")) { try makeFolder("/proc/x") }
        #expect(throws: FileError.self) { try makeFolder("") }
    }
}
