// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A job of several processes that cannot be, or a message that did not arrive.
public struct CollectiveError: Error, CustomStringConvertible {
    public let description: String
    package init(_ description: String) { self.description = description }
}

/// The processes of a job (ranks 0 … `ranks` − 1, MPI's word), which all run the same program, and what moves bytes between them.
///
/// It never adds: sums are the project's own, in an order that does not depend on the number of ranks (`balancedTree`). Every rank makes
/// the same calls in the same order; each waits for the others.
public protocol Collective: AnyObject, Sendable {
    var rank: Int { get }
    var ranks: Int { get }

    /// Every rank's bytes, as many of each, in the ranks' order, on every rank.
    func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws

    /// Numbers `cuts[i]..<cuts[i + 1]` of `values` go to rank i; `parts` receives this rank's from every rank, one after the other.
    func exchange(_ values: UnsafePointer<Float>, cuts: [Int], into parts: UnsafeMutablePointer<Float>) throws

    /// Every rank's own numbers (`cuts`) of `values`, on every rank.
    func share(_ values: UnsafeMutablePointer<Float>, cuts: [Int]) throws

    /// Rank 0's bytes, on every rank.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws

    /// To be called once, by every rank, when all is done.
    func finish() throws

    /// Ends the whole job.
    func abort() -> Never
}

/// One process by itself.
public final class Alone: Collective {
    public let rank = 0, ranks = 1
    public init() {}
    public func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) { all.copyMemory(from: own) }
    public func exchange(_ values: UnsafePointer<Float>, cuts: [Int], into parts: UnsafeMutablePointer<Float>) {
        parts.update(from: values, count: cuts[1])
    }
    public func share(_ values: UnsafeMutablePointer<Float>, cuts: [Int]) {}
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {}
    public func finish() {}
    public func abort() -> Never { exit(1) }
}

extension Collective {
    /// The rank that writes files and shows progress.
    public var isFirst: Bool { rank == 0 }

    /// Every rank's numbers, as many of each, in the ranks' order.
    public func gather<Number: BitwiseCopyable>(_ own: [Number]) throws -> [Number] {
        guard ranks > 1, let first = own.first else { return own }
        var all = Array(repeating: first, count: ranks * own.count)
        try own.withUnsafeBytes { own in try all.withUnsafeMutableBytes { try allGather(own, into: $0) } }
        return all
    }

    /// Whether each flag is set on any rank.
    public func any(_ flags: [Bool]) throws -> [Bool] {
        let all = try gather(flags)
        return flags.indices.map { flag in stride(from: flag, to: all.count, by: flags.count).contains { all[$0] } }
    }

    /// Bytes that rank 0 reads, on every rank.
    public func fromFirst(_ read: () throws -> Data) throws -> Data {
        guard ranks > 1 else { return try read() }
        var bytes = isFirst ? try read() : Data(), count = [bytes.count]
        try count.withUnsafeMutableBytes { try broadcast($0) }
        if !isFirst { bytes = Data(count: count[0]) }
        try bytes.withUnsafeMutableBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 1 << 30) {  // MPI counts in 32 bits
                try broadcast(UnsafeMutableRawBufferPointer(rebasing: bytes[start..<min(start + 1 << 30, bytes.count)]))
            }
        }
        return bytes
    }

    /// What rank 0 finds, on every rank.
    public func fromFirst<Value: Codable>(_ find: () throws -> Value) throws -> Value {
        guard ranks > 1 else { return try find() }
        return try JSONDecoder().decode([Value].self, from: try fromFirst { try JSONEncoder().encode([try find()]) })[0]
    }

    /// Each of `values` becomes the sum of those of all ranks, added in the order of a balanced binary tree.
    ///
    /// Each rank adds its 1/ranks of them, and all share the sums: an all-reduce's bytes, in an order of the project's own.
    /// - Parameters:
    ///   - values: this rank's summands before, the sums after; as many on every rank.
    ///   - room: at least `values.count` + `ranks` numbers.
    public func sumOverRanks(_ values: UnsafeMutableBufferPointer<Float>, room: UnsafeMutableBufferPointer<Float>) throws {
        guard ranks > 1, let base = values.baseAddress, let parts = room.baseAddress else { return }
        let cuts = (0...ranks).map { values.count * $0 / ranks }, own = cuts[rank]..<cuts[rank + 1]
        precondition(room.count >= own.count * ranks, "too little room for \(ranks) parts of \(own.count) numbers")
        try exchange(base, cuts: cuts, into: parts)
        balancedTree(0..<ranks) { _ in
        } combine: {
            add(parts + $1 * own.count, to: parts + $0 * own.count, own.count)
        }
        (base + own.lowerBound).update(from: parts, count: own.count)
        try share(base, cuts: cuts)
    }
}
