// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics
import Testing

@Suite struct PhiloxTests {
    /// Known answers of Random123's own test vectors (kat_vectors, philox4x32 10 rounds, zero input).
    @Test func knownAnswer() {
        let words = Philox.block(0, stream: 0, seed: 0)
        #expect(words == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
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
