// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Files
import Foundation

extension Trainer {
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
