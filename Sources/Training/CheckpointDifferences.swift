// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Foundation

extension Checkpoint {
    /// In what another checkpoint is not the same bit for bit: recipe, tensors, curve, and where the run stands; times do not count.
    public func differences(from other: Checkpoint) -> [String] {
        var found: [String] = []
        if run != other.run { found.append("other runs: \(run); \(other.run)") }
        let names = Set(file.tensors.keys).union(other.file.tensors.keys).sorted()
        found += names.compactMap { name in
            guard let a = file.tensors[name], let b = other.file.tensors[name] else { return "only one has \(name)" }
            guard a.shape == b.shape, a.data.count == b.data.count else { return "\(name): shapes \(a.shape) and \(b.shape)" }
            guard a.data != b.data else { return nil }
            let size = a.data.count / max(a.shape.reduce(1, *), 1), (x, y) = ([UInt8](a.data), [UInt8](b.data))
            let count = stride(from: 0, to: x.count, by: size).count { x[$0..<$0 + size] != y[$0..<$0 + size] }
            return "\(name): \(count) of \(a.shape.reduce(1, *)) numbers differ"
        }
        func timeless(_ state: TrainingState) -> TrainingState {
            var state = state
            state.seconds = 0
            for epoch in state.curve.indices { state.curve[epoch].seconds = 0 }
            return state
        }
        let (a, b) = (timeless(state), timeless(other.state))
        for (x, y) in zip(a.curve, b.curve) where x != y { found.append("epoch \(x.epoch) of the curve: \(x); \(y)") }
        if a.curve.count != b.curve.count || (a.epoch, a.batch) != (b.epoch, b.batch) {
            found.append("one stands at epoch \(a.epoch), batch \(a.batch), the other at epoch \(b.epoch), batch \(b.batch)")
        } else if a.curve == b.curve, a != b {
            found.append("sums of the epoch under way, data or threads: \(a); \(b)")
        }
        return found
    }

    /// What was compared, in words.
    public var extent: String { "\(file.tensors.count) tensors, \(state.curve.count) epochs" }
}
