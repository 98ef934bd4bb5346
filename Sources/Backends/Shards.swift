// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Compute

/// How sums over a mini-batch are made: its images, by their place, are cut into `count` shards of `size`; each shard's sum is one kernel
/// call of a shape that depends on nothing else, and the shards' sums are added in the order of a balanced binary tree. A rank has
/// consecutive shards, a whole subtree; so 1, 2, 4, … ranks up to `count` give the same bits. In the last mini-batch of an epoch the last
/// shards may be smaller, or empty.
///
/// One shard is the mini-batch itself: each sum is the kernel's, and nothing is added.
public final class Shards {
    public let count, size: Int
    public let collective: any Collective
    /// Of the mini-batch under way, on all ranks.
    public private(set) var images: Int
    /// The own shards: where their images lie among those that this rank has.
    private(set) var own: [Range<Int>] = []
    /// By how many further rows one needs while the tree is walked.
    private var rooms: [Int: Tensor] = [:]

    /// - Parameters:
    ///   - count: a power of two.
    ///   - batch: the largest mini-batch.
    ///   - collective: the ranks that share the shards.
    /// - Throws: `CollectiveError` where the ranks do not divide the shards.
    public init(_ count: Int = 1, batch: Int, collective: any Collective = Alone()) throws {
        precondition(count > 0 && count & (count - 1) == 0 && batch >= 1, "shards are a power of two")
        try Self.expectDivisible(count, by: collective)
        (self.count, self.collective, images) = (count, collective, batch)
        size = (batch + count - 1) / count
        begin(images: batch)
    }

    /// - Throws: `CollectiveError` where the ranks do not divide so many shards.
    public static func expectDivisible(_ count: Int, by collective: any Collective) throws {
        guard count % collective.ranks != 0 else { return }
        throw CollectiveError(
            "\(collective.ranks) ranks do not divide \(count) shards: the recipe's key shards (--shards) must be a multiple of --ranks, "
                + "both powers of two"
        )
    }

    /// One shard on one rank.
    package init(batch: Int) {
        (count, size, images, collective) = (1, batch, batch, Alone())
        begin(images: batch)
    }

    private var perRank: Int { count / collective.ranks }
    /// The places in a mini-batch that are this rank's, as far as it has so many.
    public var places: Range<Int> { collective.rank * perRank * size..<(collective.rank + 1) * perRank * size }
    /// Of the mini-batch under way, on this rank.
    public var ownImages: Int { own.last?.upperBound ?? 0 }

    /// What follows is of a mini-batch of so many images, on all ranks.
    package func begin(images: Int) {
        guard images != self.images || own.isEmpty else { return }
        self.images = images
        let here = min(max(images - places.lowerBound, 0), places.count)
        own = (0..<perRank).map { min($0 * size, here)..<min(($0 + 1) * size, here) }
    }

    /// Calls `kernel` with the images of each own shard that has any.
    func forEach(_ kernel: (_ images: Range<Int>) throws -> Void) rethrows {
        for images in own where !images.isEmpty { try kernel(images) }
    }

    // MARK: Sums of gradients, over the own shards

    /// Fills `gradients` with their sums over the own shards; `kernel` overwrites those of one shard.
    package func sum(into gradients: [Tensor], _ kernel: (_ images: Range<Int>, _ gradients: [Tensor]) throws -> Void) rethrows {
        try balancedTree(0..<own.count) { shard in
            let gradients = row(shard, gradients)
            if own[shard].isEmpty { gradients.forEach { $0.fill(0) } } else { try kernel(own[shard], gradients) }
        } combine: { first, second in
            for (a, b) in zip(row(first, gradients), row(second, gradients)) { add(b.pointer, to: a.pointer, a.count) }
        }
    }

    /// Where a subtree's sums are, known by its first shard: while it is made, those that wait for it begin at shards with fewer bits set.
    private func row(_ shard: Int, _ gradients: [Tensor]) -> [Tensor] {
        guard shard > 0 else { return gradients }
        let bits = shard.nonzeroBitCount, count = gradients.reduce(0) { $0 + Self.aligned($1.count) }
        if rooms[bits]?.count ?? 0 < count { rooms[bits] = Tensor([count]) }
        guard let room = rooms[bits] else { preconditionFailure("room was made") }
        var offset = 0
        return gradients.map { gradient in
            defer { offset += Self.aligned(gradient.count) }
            return Tensor(gradient.shape, partOf: room, at: offset)
        }
    }

    private static func aligned(_ count: Int) -> Int { (count + 15) & ~15 }

    // MARK: Sums of few numbers, over all shards

    /// Fills `sums` with `width` sums over all shards of all ranks; `kernel` overwrites those of one shard.
    package func sum(
        _ width: Int, into sums: UnsafeMutablePointer<Double>,
        _ kernel: (_ images: Range<Int>, _ sums: UnsafeMutablePointer<Double>) throws -> Void
    ) throws {
        guard count > 1 else { return try kernel(own[0], sums) }
        let total = try reduce(width, kernel) { a, b in
            for i in 0..<width { a[i] += b[i] }
        }
        sums.update(from: total, count: width)
    }

    /// Fills `moments` with means and biased variances `[2, C]` over all shards of all ranks, joined as (n, mean, M2), M2 = n·variance
    /// (Chan,
    /// Golub and LeVeque 1979); `kernel` overwrites those of one shard.
    /// - Parameter rows: values of each channel that an image has.
    package func moments(
        channels: Int, rows: Int, into moments: UnsafeMutablePointer<Double>,
        _ kernel: (_ images: Range<Int>, _ moments: UnsafeMutablePointer<Double>) throws -> Void
    ) throws {
        guard count > 1 else { return try kernel(own[0], moments) }
        // A row: n, then C means and C M2.
        let total = try reduce(1 + 2 * channels) { images, row in
            row[0] = Double(images.count * rows)
            try kernel(images, row + 1)
            for c in 0..<channels { row[1 + channels + c] *= row[0] }
        } combine: { a, b in
            guard b[0] > 0 else { return }
            let n = a[0] + b[0], part = b[0] / n, weight = a[0] * part
            for c in 1...channels {
                let difference = b[c] - a[c]
                a[c] += difference * part
                a[channels + c] += b[channels + c] + difference * difference * weight
            }
            a[0] = n
        }
        for c in 0..<channels {
            moments[c] = total[1 + c]
            moments[channels + c] = max(total[1 + channels + c] / total[0], 0)
        }
    }

    /// Zeros stand for an empty shard.
    private func reduce(
        _ width: Int, _ kernel: (Range<Int>, UnsafeMutablePointer<Double>) throws -> Void,
        combine: (_ a: UnsafeMutablePointer<Double>, _ b: UnsafePointer<Double>) -> Void
    ) throws -> [Double] {
        var rows = [Double](repeating: 0, count: own.count * width)
        try rows.withUnsafeMutableBufferPointer { rows in
            guard let base = rows.baseAddress else { return }
            try balancedTree(0..<own.count) { shard in
                if !own[shard].isEmpty { try kernel(own[shard], base + shard * width) }
            } combine: {
                combine(base + $0 * width, base + $1 * width)
            }
        }
        var all = try collective.gather(Array(rows.prefix(width)))
        all.withUnsafeMutableBufferPointer { all in
            guard let base = all.baseAddress else { return }
            balancedTree(0..<collective.ranks) { _ in
            } combine: {
                combine(base + $0 * width, base + $1 * width)
            }
        }
        return Array(all.prefix(width))
    }

    /// The largest of all ranks' numbers.
    func maximum(_ number: Float) throws -> Float { try collective.gather([number]).max() ?? number }

    /// What each shard of all ranks gives, in their order, of those that have images, with how many.
    func ofEach(_ value: (_ images: Range<Int>) -> Float) throws -> [(value: Float, images: Int)] {
        let rows = own.flatMap { [$0.isEmpty ? 0 : value($0), Float($0.count)] }, all = try collective.gather(rows)
        return stride(from: 0, to: all.count, by: 2).map { (all[$0], Int(all[$0 + 1])) }.filter { $0.images > 0 }
    }

    // MARK: Over ranks

    /// What a mini-batch came to on all ranks.
    /// - Parameter notFinite: the place among the own images of the first that has a score which is not finite.
    /// - Returns: that place among all images.
    package func total(_ outcome: BatchOutcome, notFinite: Int?, replaced: Int) throws -> (
        outcome: BatchOutcome, notFinite: Int?, replaced: Int
    ) {
        guard collective.ranks > 1 else { return (outcome, notFinite, replaced) }
        let width = 6, first = notFinite.map { Double($0 + places.lowerBound) } ?? .infinity
        var all = try collective.gather([
            outcome.lossSum, Double(outcome.top1), Double(outcome.top5), Double(outcome.count), first, Double(replaced)
        ])
        balancedTree(0..<collective.ranks) { _ in
        } combine: { a, b in
            for i in 0..<width {
                all[a * width + i] = i == 4 ? min(all[a * width + i], all[b * width + i]) : all[a * width + i] + all[b * width + i]
            }
        }
        var total = BatchOutcome()
        (total.lossSum, total.top1, total.top5, total.count) = (all[0], Int(all[1]), Int(all[2]), Int(all[3]))
        return (total, all[4].isFinite ? Int(all[4]) : nil, Int(all[5]))
    }

    /// The flags of all images of the mini-batch, from those of the own ones.
    package func all(_ flags: [Bool]) throws -> [Bool] {
        let own = Array(flags.prefix(ownImages)) + Array(repeating: false, count: places.count - ownImages)
        return Array(try collective.gather(own).prefix(images))
    }
}
