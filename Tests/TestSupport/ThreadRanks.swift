// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Foundation

/// One of several ranks that are threads of this process: what MPI does between processes.
public final class ThreadRank: Collective {
    public let rank: Int
    public var ranks: Int { meeting.ranks }
    private let meeting: Meeting

    fileprivate init(_ rank: Int, _ meeting: Meeting) { (self.rank, self.meeting) = (rank, meeting) }

    public func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        for (rank, bytes) in try meeting.meet(rank, Data(own)).enumerated() {
            bytes.copyBytes(to: UnsafeMutableRawBufferPointer(rebasing: all[rank * own.count..<(rank + 1) * own.count]))
        }
    }

    public func exchange(_ values: UnsafePointer<Float>, cuts: [Int], into parts: UnsafeMutablePointer<Float>) throws {
        let all = try meeting.meet(rank, Data(bytes: values, count: 4 * cuts[ranks])), count = cuts[rank + 1] - cuts[rank]
        for (other, bytes) in all.enumerated() {
            bytes.withUnsafeBytes { bytes in
                for i in 0..<count { parts[other * count + i] = bytes.loadUnaligned(fromByteOffset: 4 * (cuts[rank] + i), as: Float.self) }
            }
        }
    }

    public func share(_ values: UnsafeMutablePointer<Float>, cuts: [Int]) throws {
        let all = try meeting.meet(rank, Data(bytes: values + cuts[rank], count: 4 * (cuts[rank + 1] - cuts[rank])))
        for (other, bytes) in all.enumerated() {
            bytes.withUnsafeBytes { bytes in
                for i in 0..<bytes.count / 4 { values[cuts[other] + i] = bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self) }
            }
        }
    }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws { try meeting.meet(rank, Data(bytes))[0].copyBytes(to: bytes) }
    public func finish() {}
    public func abort() -> Never { exit(1) }
}

/// Where all ranks bring bytes and take away everybody's.
private final class Meeting: @unchecked Sendable {
    let ranks: Int
    private let condition = NSCondition()
    private var brought: [Int: Data] = [:]
    private var taken: [Data] = []
    private var number = 0
    private var isOver = false

    init(ranks: Int) { self.ranks = ranks }

    func meet(_ rank: Int, _ bytes: Data) throws -> [Data] {
        condition.lock()
        defer { condition.unlock() }
        let current = number
        brought[rank] = bytes
        if brought.count == ranks {
            taken = brought.sorted { $0.key < $1.key }.map(\.value)
            (brought, number) = ([:], number + 1)
            condition.broadcast()
        }
        while number == current && !isOver { condition.wait() }
        if number == current { throw CancellationError() }
        return taken
    }

    /// A rank has failed: the others need not wait.
    func end() {
        condition.lock()
        isOver = true
        condition.broadcast()
        condition.unlock()
    }
}

/// Runs `body` on so many ranks at once.
/// - Returns: what each gives.
public func onRanks<Result: Sendable>(_ ranks: Int, _ body: @escaping @Sendable (any Collective) throws -> Result) throws -> [Result] {
    let meeting = Meeting(ranks: ranks), done = DispatchGroup(), lock = NSLock()
    nonisolated(unsafe) var results: [Int: Swift.Result<Result, any Error>] = [:]
    for rank in 0..<ranks {
        done.enter()
        let thread = Thread {
            let result = Swift.Result { try body(ThreadRank(rank, meeting)) }
            if case .failure = result { meeting.end() }
            lock.withLock { results[rank] = result }
            done.leave()
        }
        thread.stackSize = 8 << 20
        thread.start()
    }
    done.wait()
    // The first failure that is no consequence of another.
    let failures = results.values.compactMap { result in if case .failure(let error) = result { error } else { nil } }
    if let error = failures.first(where: { !($0 is CancellationError) }) ?? failures.first { throw error }
    return try (0..<ranks).compactMap { try results[$0]?.get() }
}
