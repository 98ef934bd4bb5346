// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Files
import Foundation

extension Trainer {
    /// Ranks train the same run on the same images: sums over others would be right, and of no run.
    /// - Parameter start: what this rank has, in words.
    static func expectSame(_ start: String, _ collective: any Collective) throws {
        let length = 200, own = Array((crc32Hex(Data(start.utf8)) + start).utf8.prefix(length))
        let all = try collective.gather(own + Array(repeating: UInt8(ascii: " "), count: length - own.count))
        let each = (0..<collective.ranks).map { rank in
            String(decoding: all[rank * length..<(rank + 1) * length], as: UTF8.self)
        }
        guard let other = each.firstIndex(where: { $0 != each[0] }) else { return }
        func text(_ words: String) -> String { words.dropFirst(8).trimmingCharacters(in: .whitespaces) }
        throw CollectiveError(
            "rank \(other) has \(text(each[other])), but rank 0 has \(text(each[0])): give all the same recipes, and the same data or "
                + "copies of it")
    }

    /// Ranks compute the same from the same, on processors of one kind.
    func expectSameBits() throws {
        guard collective.ranks > 1 else { return }
        let own = Checkpoint.named(network.tensors, momentum: true).map { crc32Hex($0.tensor.bytes) }.joined()
        let all = try collective.gather([UInt64(crc32Hex(Data(own.utf8)), radix: 16) ?? 0])
        guard let other = all.firstIndex(where: { $0 != all[0] }) else { return }
        throw CollectiveError(
            "rank \(other) computes other bits than rank 0 in epoch \(state.epoch + 1) of \(run.name): use processors of one kind, the "
                + "same libraries, and BCGD_ISA where their instruction sets differ")
    }
}
