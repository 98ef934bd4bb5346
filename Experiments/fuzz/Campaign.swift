// SPDX-License-Identifier: GPL-3.0-or-later
import CAllocations
import Files
import Foundation
import Reporting

/// What a worker has done so far, in memory that it shares with the one who started it, so that it outlives a crash.
struct Progress {
    var index, accepted, refused, broken: Int
    var slowestMicroseconds, largestAllocation, peakBytes: Int

    /// Maps a file in the folder, made when missing.
    static func shared(in folder: String) throws -> UnsafeMutablePointer<Progress> {
        let size = MemoryLayout<Progress>.stride, path = "\(folder)/progress",
            file = Foundation.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, ftruncate(file, off_t(size)) == 0, let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
            start != MAP_FAILED
        else {
            throw FileError("cannot map \(path): \(String(cString: strerror(errno)))")
        }
        close(file)
        return start.bindMemory(to: Progress.self, capacity: 1)
    }
}

/// A new path, in memory where there is such a place: a file of a disk's is flushed each time it is written anew.
func scratchPath() -> String {
    (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path) + "/bcgd-fuzz-" + UUID().uuidString
}

/// What may be spent on one input.
struct Limits {
    var seconds = 20
    /// The largest single allocation, in bytes.
    var allocation = 1 << 30
}

/// Reads the inputs `range` in this process. A crash, or a hang, which the alarm clock makes one, ends it.
struct Worker {
    static let mostFindings = 20

    let reader: Reader
    let seed: UInt64
    let limits: Limits
    /// For inputs that were accepted or refused wrongly.
    let output: String

    /// - Parameter folder: whoever made it removes it, also after a crash.
    func run(_ range: Range<Int>, in folder: String) throws {
        let progress = try Progress.shared(in: folder), files = "\(folder)/files"
        try? FileManager.default.removeItem(atPath: files)
        try makeFolder(files)
        let session = try reader.open(files)
        for index in range where progress.pointee.broken < Self.mostFindings {
            progress.pointee.index = index
            alarm(UInt32(limits.seconds))
            let input = Mutation.input(index, of: reader.name, seeds: session.seeds, seed: seed)
            if let fault = read(input, index, session, progress) {
                progress.pointee.broken += 1
                try Finding(reader: reader.name, index: index, what: fault).store(input, in: output)
            }
        }
        alarm(0)
        progress.pointee.peakBytes = max(progress.pointee.peakBytes, Int(1e6 * SystemFacts.peakMegabytes))
    }

    /// - Returns: what is wrong, or nil.
    func read(_ input: [UInt8], _ index: Int, _ session: Session, _ progress: UnsafeMutablePointer<Progress>) -> String? {
        let start = ContinuousClock.now
        var fault: String?
        _ = allocations_so_far()  // the largest begins anew
        do {
            try session.read(input, index)
            progress.pointee.accepted += 1
        } catch let broken as Broken {
            fault = "accepted, but \(broken)"
        } catch {
            progress.pointee.refused += 1
            if !Refusal.isProper(error) { fault = "refused with an error that is no line of ours: \(type(of: error)): \(error)" }
        }
        let largest = Int(allocations_so_far().largest)
        progress.pointee.largestAllocation = max(progress.pointee.largestAllocation, largest)
        progress.pointee.slowestMicroseconds = max(
            progress.pointee.slowestMicroseconds, Int((ContinuousClock.now - start) / .microseconds(1)))
        return fault ?? (largest > limits.allocation ? "\(largest) bytes were allocated at once, \(limits.allocation) are allowed" : nil)
    }
}

/// An input that was not dealt with as it should be.
struct Finding {
    let reader: String
    let index: Int
    let what: String

    /// `READER-INDEX.input` and `READER-INDEX.txt`.
    func store(_ input: [UInt8], in folder: String) throws {
        try makeFolder(folder)
        try writeAtomically(Data(input), to: "\(folder)/\(reader)-\(index).input")
        try writeAtomically(Data((what + "\n").utf8), to: "\(folder)/\(reader)-\(index).txt")
    }
}

/// Has workers read many inputs, a new one after each that crashed.
struct Campaign {
    let reader: Reader
    let seed: UInt64
    let limits: Limits
    let output: String

    struct Result {
        let progress: Progress
        let crashes: [Finding]
        let seconds: Double
    }

    func run(count: Int) throws -> Result {
        let folder = scratchPath()
        try makeFolder(folder)
        let progress = try Progress.shared(in: folder)
        defer {
            munmap(progress, MemoryLayout<Progress>.stride)
            try? FileManager.default.removeItem(atPath: folder)
        }
        let start = ContinuousClock.now
        var crashes: [Finding] = [], from = 0
        while from < count && crashes.count < Worker.mostFindings {
            let result = try runTool(
                "/proc/self/exe",
                [
                    "work", reader.name, "\(from)", "\(count)", folder, "--seed", "\(seed)", "--seconds", "\(limits.seconds)",
                    "--allocation", "\(limits.allocation)", "--out", output
                ],
                package: "(this program itself)")
            // A reader that ends the process well before the last input has ended the search too.
            let isOver = progress.pointee.broken >= Worker.mostFindings || progress.pointee.index == count - 1
            guard result.status != 0 || !isOver else { break }
            guard result.status != SetUpFailed.status else { throw FileError("\(reader.name): \(result.errors)") }
            let finding = Finding(reader: reader.name, index: progress.pointee.index, what: Self.cause(result, limits))
            crashes.append(finding)
            try finding.store(try input(finding.index), in: output)
            from = finding.index + 1
        }
        return Result(progress: progress.pointee, crashes: crashes, seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    private static func cause(_ result: ToolResult, _ limits: Limits) -> String {
        (result.status == 128 + SIGALRM
            ? "not finished after \(limits.seconds) s\n" : "the reader's process ended with status \(result.status)\n") + result.errors
    }

    /// Made again: what crashed cannot hand it over.
    private func input(_ index: Int) throws -> [UInt8] {
        let folder = scratchPath()
        try makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return Mutation.input(index, of: reader.name, seeds: try reader.open(folder).seeds, seed: seed)
    }
}

/// A worker that could not begin says so by its status.
enum SetUpFailed { static let status: Int32 = 3 }
