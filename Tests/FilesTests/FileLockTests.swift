// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Synchronization
import TestSupport
import Testing

/// Two holders in one process: the lock belongs to the open file, so that threads are to each other what processes are
/// (TwoProcessTests of `reproduce` has those).
@Suite struct FileLockTests {
    private let temporary: TemporaryFolder
    private var folder: String { temporary.path }
    private var lock: String { folder + "/run.lock" }

    init() throws { temporary = try TemporaryFolder() }

    @Test func theSecondIsToldWhoHoldsIt() throws {
        let lock = self.lock
        try withLock(file: lock, refusal: { $0 }) {
            let error = #expect(throws: FileError.self) { try withLock(file: lock, refusal: { "held by \($0)" }) {} }
            #expect(error?.description.hasPrefix("held by process \(getpid()) on ") == true)
            #expect(error?.description.contains(" since 20") == true)
            #expect(holder(ofLock: lock)?.hasPrefix("process \(getpid()) on ") == true)
        }
        #expect(holder(ofLock: lock) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }

    /// As `kill -9` leaves it.
    @Test func aStaleFileDoesNotBlock() throws {
        try Data("process 1 on elsewhere since 1999\n".utf8).write(to: URL(fileURLWithPath: lock))
        #expect(holder(ofLock: lock) == nil)
        let lock = self.lock
        try withLock(file: lock, refusal: { $0 }) {
            #expect(holder(ofLock: lock)?.hasPrefix("process \(getpid()) ") == true)
        }
    }

    @Test func aPlantedLinkIsNotFollowed() throws {
        try FileManager.default.createSymbolicLink(atPath: lock, withDestinationPath: folder + "/victim")
        #expect(throws: FileError.self) { try withLock(file: lock, refusal: { $0 }) {} }
        #expect(!FileManager.default.fileExists(atPath: folder + "/victim"))
    }

    /// Never two at once, though each removes the file on which the others wait.
    @Test func turnsInAFolder() throws {
        let folder = self.folder
        let inside = Atomic(0)
        let most = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 30) { _ in
            #expect(throws: Never.self) {
                try withLock(on: folder) {
                    most.max(inside.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                    usleep(1000)
                    inside.subtract(1, ordering: .relaxed)
                }
            }
        }
        #expect(most.load(ordering: .relaxed) == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    }
}
