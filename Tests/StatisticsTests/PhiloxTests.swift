// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics
import Testing

@Suite struct PhiloxTests {
    /// Known answers of Random123's own test vectors (kat_vectors, philox4x32 10 rounds); the last one's input is digits of π, which
    /// tells exchanged words of the counter or the key.
    @Test func knownAnswers() {
        #expect(Philox.block(0, stream: 0, seed: 0) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(Philox.block(.max, stream: .max, seed: .max) == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        let pi = Philox.block(0x85a3_08d3_243f_6a88, stream: 0x0370_7344_1319_8a2e, seed: 0x299f_31d0_a409_3822)
        #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func streamsAreFunctionsOfTheirState() {
        var a = Philox(seed: 7, stream: 3)
        let first = (0..<5).map { _ in a.next() }
        var b = Philox(seed: 7, stream: 3)
        #expect(first == (0..<5).map { _ in b.next() })
        var c = Philox(seed: 7, stream: 4)
        #expect(first != (0..<5).map { _ in c.next() })
    }
}
