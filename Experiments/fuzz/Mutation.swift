// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// A valid input, and what must be made right again after it was damaged so that the reader gets beyond its first check.
struct Seed {
    var bytes: [UInt8]
    /// Where most damage is done: the header of a file whose greater part is numbers.
    var hot: Range<Int>?
    /// Whether the damage is that of a text: of its lines, words and numbers.
    var isText = false
    /// Repairs lengths and checksums, or packs what was damaged.
    var finish: ([UInt8]) -> [UInt8] = { $0 }
    /// Without `finish` it is no input at all, as with packed ones.
    var isAlwaysFinished = false

    init(
        _ bytes: some Sequence<UInt8>, hot: Range<Int>? = nil, alwaysFinished: Bool = false, finish: @escaping ([UInt8]) -> [UInt8] = { $0 }
    ) {
        (self.bytes, self.hot, self.finish, isAlwaysFinished) = (Array(bytes), hot, finish, alwaysFinished)
    }

    init(text: String) { (bytes, isText) = (Array(text.utf8), true) }
}

/// Damages valid inputs: input number `index` of a reader is a function of the seed number, the reader's name and the index.
struct Mutation {
    static let longest = 1 << 20

    private var random: Philox
    private let seeds: [Seed]

    /// The damaged input; the first ones are the seeds themselves.
    static func input(_ index: Int, of reader: String, seeds: [Seed], seed: UInt64) -> [UInt8] {
        guard index >= seeds.count else { return seeds[index].finish(seeds[index].bytes) }
        // FNV-1a: Swift's own hash changes from run to run.
        let name = reader.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var mutation = Mutation(random: Philox(seed: seed ^ name, stream: UInt64(index)), seeds: seeds)
        return mutation.mutated(seeds[index % seeds.count])
    }

    private mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(bound, 1))) }
    private mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }

    private mutating func mutated(_ seed: Seed) -> [UInt8] {
        var bytes = seed.bytes
        for _ in 0...below(1 + below(6)) {
            bytes = seed.isText && below(3) > 0 ? damagedText(bytes) : damaged(bytes, hot: seed.hot)
            if bytes.count > Self.longest { bytes.removeLast(bytes.count - Self.longest) }
        }
        guard seed.isAlwaysFinished || below(16) > 0 else { return bytes }
        bytes = seed.finish(bytes)
        // What was packed is damaged now and then, too.
        return seed.isAlwaysFinished && below(4) == 0 ? damaged(bytes, hot: nil) : bytes
    }

    // MARK: Bytes

    private static let extremes: [UInt64] = [
        0, 1, 2, 7, 8, 15, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 1 << 24, 1 << 28, 1 << 31 - 1, 1 << 31, 1 << 32 - 1,
        1 << 32,
        1 << 62, 1 << 63 - 1, 1 << 63, .max
    ]

    private mutating func damaged(_ old: [UInt8], hot: Range<Int>?) -> [UInt8] {
        var bytes = old
        guard !bytes.isEmpty else { return [UInt8(truncatingIfNeeded: random.next())] }
        let region = hot.map { $0.clamped(to: 0..<bytes.count) }.flatMap { $0.isEmpty || below(8) == 0 ? nil : $0 } ?? 0..<bytes.count
        let at = region.lowerBound + below(region.count)
        switch below(14) {
        case 0, 1: bytes[at] ^= 1 << UInt8(below(8))
        case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 3: bytes[at] = bytes[at] &+ UInt8(truncatingIfNeeded: below(9)) &- 4
        case 4, 5, 6: store(one(of: Self.extremes), in: &bytes, at: at)
        case 7: bytes.removeSubrange(at..<min(at + 1 + below(below(4) == 0 ? 4096 : 16), bytes.count))
        case 8: bytes.insert(contentsOf: (0...below(16)).map { _ in UInt8(truncatingIfNeeded: random.next()) }, at: at)
        case 9:
            bytes.insert(
                contentsOf: repeatElement(one(of: [0, 32, 48, 57, 91, 123, 255, bytes[at]]), count: 1 << below(below(8) == 0 ? 17 : 8)),
                at: at)
        case 10:
            let from = below(bytes.count), piece = bytes[from..<min(from + 1 + below(80), bytes.count)]
            for (i, byte) in piece.enumerated() where at + i < bytes.count { bytes[at + i] = byte }
        case 11:
            let from = below(bytes.count)
            bytes.insert(contentsOf: Array(bytes[from..<min(from + 1 + below(80), bytes.count)]), at: at)
        case 12: if below(3) == 0 { bytes.removeLast(bytes.count - at) } else { bytes[at] = 0 }
        default:
            let other = seeds[below(seeds.count)].bytes
            if below(3) == 0, !other.isEmpty { bytes = Array(bytes[..<at]) + other[below(other.count)...] } else { bytes[at] = 255 }
        }
        return bytes
    }

    /// A number of 1, 2, 4 or 8 bytes, in either order, at a multiple of its size or anywhere.
    private mutating func store(_ value: UInt64, in bytes: inout [UInt8], at place: Int) {
        let size = one(of: [1, 2, 4, 4, 8]), isBig = below(2) == 0
        let start = below(2) == 0 ? place : place / size * size
        for i in 0..<size where start + i < bytes.count {
            bytes[start + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (isBig ? size - 1 - i : i)))
        }
    }

    // MARK: Texts

    private static let numbers = [
        "0", "-0", "-1", "1", "00", "007", "+1", "1.", ".5", "1e5", "1e400", "-1e400", "1e-400", "5e-324", "1.7976931348623157e308", "nan",
        "NaN",
        "-nan", "nan(1)", "inf", "-inf", "Infinity", ".inf", ".nan", "0x10", "0x1p3", "0b1", "0o7", "1_000", "1,5", "2147483647",
        "2147483648", "4294967296",
        "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999", "3.4028236e38", "1e39", "٣", "½", "", " ", "1 ", "true", "null", "~"
    ]
    private static let pieces = [
        "\n", "\r", "\r\n", "\n\n", "\t", " ", ",", ",,", "\"", "\"\"", "'", ":", ": ", "- ", "#", "%", "&a ", "*a", "!!int ", "<<: *a",
        "---\n", "...\n", "|", ">", "{", "}",
        "[", "]", "[[[[[[[[", "{a: {a: {a: ", "\u{feff}", "\u{0}", "\u{1b}[2J", "\u{85}", "\u{2028}", "\u{a0}", "e\u{301}",
        "\u{1f469}\u{200d}\u{1f52c}", "\\", "\\u0000", "../", "/", "<!-- results -->\n", "<!-- /results -->", "?"
    ]

    private mutating func damagedText(_ old: [UInt8]) -> [UInt8] {
        func isNumber(_ byte: UInt8) -> Bool { (48...57).contains(byte) || byte == 46 || byte == 45 || byte == 101 }
        func isWord(_ byte: UInt8) -> Bool {
            (48...57).contains(byte) || (65...90).contains(byte & 0xdf) || byte == 95 || byte == 46 || byte == 45
        }
        var bytes = old
        switch below(8) {
        case 0, 1, 2:  // a number
            guard let run = run(in: bytes, isNumber) else { return bytes }
            bytes.replaceSubrange(run, with: Array(one(of: Self.numbers).utf8))
        case 3:  // a word becomes another one of the same or another seed
            let other = seeds[below(seeds.count)].bytes
            guard let place = run(in: bytes, isWord), let word = run(in: other, isWord) else { return bytes }
            bytes.replaceSubrange(place, with: other[word])
        case 4: bytes.insert(contentsOf: Array(one(of: Self.pieces).utf8), at: below(bytes.count + 1))
        case 5:  // a word goes, or comes twice
            guard let run = run(in: bytes, isWord) else { return bytes }
            if below(2) == 0 { bytes.removeSubrange(run) } else { bytes.insert(contentsOf: Array(bytes[run]), at: run.lowerBound) }
        case 6:  // a line goes, comes twice, or moves
            var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
            let (from, to, kind) = (below(lines.count), below(lines.count), below(3))
            if kind == 0 { lines.remove(at: from) } else if kind == 1 { lines.insert(lines[from], at: to) } else { lines.swapAt(from, to) }
            bytes = Array(lines.joined(separator: [10]))
        default:
            let other = seeds[below(seeds.count)].bytes.split(separator: 10)
            guard !other.isEmpty else { return bytes }
            bytes.insert(contentsOf: other[below(other.count)] + [10], at: below(bytes.count + 1))
        }
        return bytes
    }

    /// The run of such bytes that follows a random place, or nil.
    private mutating func run(in bytes: [UInt8], _ belongs: (UInt8) -> Bool) -> Range<Int>? {
        guard !bytes.isEmpty, let start = bytes[below(bytes.count)...].firstIndex(where: belongs) else { return nil }
        return start..<(bytes[start...].firstIndex { !belongs($0) } ?? bytes.count)
    }
}
