// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Statistics
import TestSupport
import Testing

/// Sums over shards against sums over images; over ranks, bit for bit.
@Suite struct ShardsTests {
    private static let channels = 5, pixels = 3
    /// `[image][pixel][channel]`, with means far from 0.
    private static func values(_ images: Int) -> [Double] {
        var random = Philox(seed: 4, stream: 1)
        return (0..<images * pixels * channels).map { 1000 * Double($0 % channels) + random.normal() }
    }

    private static func moments(_ images: Range<Int>, _ values: [Double], _ out: UnsafeMutablePointer<Double>) {
        let rows = (images.lowerBound * pixels..<images.upperBound * pixels)
        for c in 0..<channels {
            let own = rows.map { values[$0 * channels + c] }, mean = own.reduce(0, +) / Double(own.count)
            out[c] = mean
            out[channels + c] = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count)
        }
    }

    /// 16 images make two to a shard of 8; of 11 the last shards have 1 and 0. Rounding is that of means near 4000 in f64.
    @Test(arguments: [16, 11, 1]) func momentsOfShardsAreThoseOfAll(_ images: Int) throws {
        let values = Self.values(images), width = 2 * Self.channels
        var direct = [Double](repeating: 0, count: width)
        Self.moments(0..<images, values, &direct)
        func sharded(_ ranks: Int) throws -> [[Double]] {
            try onRanks(ranks) { collective in
                let shards = try Shards(8, batch: 16, collective: collective)
                shards.begin(images: images)
                var found = [Double](repeating: 0, count: width)
                try shards.moments(channels: Self.channels, rows: Self.pixels, into: &found) { own, out in
                    let first = shards.places.lowerBound
                    Self.moments(own.lowerBound + first..<own.upperBound + first, values, out)
                }
                return found
            }
        }
        let one = try sharded(1)[0]
        for (a, b) in zip(one, direct) { #expect(abs(a - b) < 1e-11 * max(1, abs(b))) }
        for ranks in [2, 4, 8] { #expect(try sharded(ranks) == Array(repeating: one, count: ranks)) }
    }

    /// ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)) in f32, two gradients at once.
    @Test func gradientsAreAddedInATree() throws {
        let shards = try Shards(8, batch: 8), (one, two) = (Tensor([3]), Tensor([2]))
        func term(_ image: Int) -> Float { 1 / Float(image * image + 3) }
        shards.sum(into: [one, two]) { images, gradients in
            gradients[0].fill(term(images.lowerBound))
            gradients[1].fill(-term(images.lowerBound))
        }
        let t = (0..<8).map(term), expected = ((t[0] + t[1]) + (t[2] + t[3])) + ((t[4] + t[5]) + (t[6] + t[7]))
        #expect(one.values == [expected, expected, expected] && two.values == [-expected, -expected])
        #expect(t.reduce(0, +) != expected)
    }
}
