// SPDX-License-Identifier: GPL-3.0-or-later
import CRandom123
import Foundation

/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11; Random123).
///
/// Its output is a pure function of `(seed, stream, block)`: every unit of work (an image of an epoch,
/// a chunk of samples) opens its own stream, so results do not depend on which thread does the work.
/// The 64-bit seed is the key; the counter is `(block, stream)`. One stream has 2⁶⁵ words of 64 bits.
public struct Philox: RandomNumberGenerator, Equatable, Codable, Sendable {
    public let seed: UInt64
    public let stream: UInt64
    /// 64-bit words drawn so far: with seed and stream, the generator's whole state.
    public private(set) var position: UInt64
    private var spare: UInt64 = 0

    public init(seed: UInt64, stream: UInt64) {
        (self.seed, self.stream, self.position) = (seed, stream, 0)
    }

    public mutating func next() -> UInt64 {
        defer { position += 1 }
        if position & 1 == 1 { return spare }
        let words = Self.block(position >> 1, stream: stream, seed: seed)
        spare = UInt64(words.2) | UInt64(words.3) << 32
        return UInt64(words.0) | UInt64(words.1) << 32
    }

    /// The four 32-bit words of one counter block.
    public static func block(_ block: UInt64, stream: UInt64, seed: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
        func halves(_ x: UInt64) -> (UInt32, UInt32) { (UInt32(truncatingIfNeeded: x), UInt32(x >> 32)) }
        let (b, s, k) = (halves(block), halves(stream), halves(seed))
        let counter = [b.0, b.1, s.0, s.1]
        var out = (UInt32(0), UInt32(0), UInt32(0), UInt32(0))
        withUnsafeMutableBytes(of: &out) {
            crandom123_philox4x32(counter, [k.0, k.1], $0.bindMemory(to: UInt32.self).baseAddress)
        }
        return out
    }

    /// Uniform on [0, 1) with 53 random bits.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Standard normal (Box–Muller; one of the pair, so that the position advances by two a draw).
    public mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * Double.pi * uniform())
    }
}
