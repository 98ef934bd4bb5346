// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Foundation
import RandomModels
import Statistics
import Testing

/// Files of random damage, most with a right length and checksum again: each is refused with a `PackedModelError`, or is a
/// model that runs. A read or write out of bounds ends the test program, surely so under an address sanitizer.
@Suite struct FuzzTests {
    static let mutations = 10_000

    @Test func damagedFilesNeitherCrashNorHang() throws {
        let originals = try [
            RandomModel(height: 5, width: 6), RandomModel(weightBits: 2, isScaledPerChannel: true),
            RandomModel(weightBits: 4, isFloatOutside: true), RandomModel(height: 5, width: 6, isOfBytes: true)
        ]
        .map { try $0.contents().encoded() }
        var random = Philox(seed: 20_180_805, stream: 1)
        var (refused, ran) = (0, 0)
        for trial in 0..<Self.mutations {
            let bytes = mutated(originals[trial % originals.count], &random)
            do {
                let model = try PackedModel(bytes: bytes)
                // A changed number of rows may make a model large: what it would compute is bounded, not whether it is read.
                guard model.multiplyAdds < 3_000_000 && model.input.count < 100_000 else { continue }
                let image = [UInt8](repeating: UInt8(truncatingIfNeeded: trial), count: model.input.count)
                for path in ClassifierTests.paths where path != .portable || trial % 16 == 0 {
                    #expect(try Classifier(model, path: path).scores(of: image).allSatisfy { $0.isFinite }, "trial \(trial)")
                }
                ran += 1
            } catch is PackedModelError { refused += 1 }
        }
        // Neither kind may have died out, or nothing is tested; 7252 and 2744 when this was written.
        #expect(refused > 1000 && ran > 1000, "\(refused) refused, \(ran) ran")
    }

    /// The last but one are the largest f32 and its negative.
    private static let interesting: [UInt64] = [
        0, 1, 2, 15, 16, 255, 256, 65_535, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 63 - 1, 1 << 63, 0x7f7f_ffff, 0xff7f_ffff, .max
    ]

    /// One or two changes, three of four in the header and the unit records: a byte, a bit, a field, a copied or cut piece.
    private func mutated(_ original: Data, _ random: inout Philox) -> Data {
        var bytes = original
        func below(_ bound: Int) -> Int { Int(random.next() % UInt64(max(bound, 1))) }
        for _ in 0...below(2) where bytes.count > 16 {
            let records = 128 + 10 * 64
            let place = below(4)  // in the whole file, in header and records, or among the small fields that open a record
            let at = min(place == 0 ? below(bytes.count) : place == 1 ? below(records) : 128 + 64 * below(10) + below(28), bytes.count - 1)
            switch below(7) {
            case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[at] ^= 1 << UInt8(below(8))
            case 2, 3:
                let (size, value) = ([1, 4, 8][below(3)], Self.interesting[below(Self.interesting.count)])
                for i in 0..<size where at / size * size + i < bytes.count {
                    bytes[at / size * size + i] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(i)))
                }
            case 4: bytes[at] = bytes[at] &+ UInt8(truncatingIfNeeded: below(5)) &- 2
            case 5:
                let (from, count) = (below(bytes.count), below(80))
                for i in 0..<count where from + i < bytes.count && at + i < bytes.count { bytes[at + i] = bytes[from + i] }
            default: bytes = below(4) == 0 ? bytes.prefix(below(bytes.count)) : bytes
            }
        }
        return below(20) == 0 ? bytes : repaired(Data(bytes))
    }
}
