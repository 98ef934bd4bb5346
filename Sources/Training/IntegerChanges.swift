// SPDX-License-Identifier: GPL-3.0-or-later
import Backends

/// Counts the integer weights that a step changes: what weights do where a network's accuracy swings from epoch to epoch.
final class IntegerChanges {
    private let weights: [Parameter]
    /// Of the step before, one weight tensor after the other; empty before the first.
    private var before: [Int8] = []
    /// How many integer weights there are, in all and in each quantized weight.
    let count: Int
    let counts: [Int]

    init(_ weights: [Parameter]) {
        self.weights = weights.filter { $0.integerWeights != nil }
        counts = self.weights.map(\.value.count)
        count = counts.reduce(0, +)
    }

    /// Remembers the integers before the first step of a session.
    func begin() {
        if before.isEmpty { before = weights.flatMap { Array(UnsafeBufferPointer(start: $0.integerWeights, count: $0.value.count)) } }
    }

    /// How many of each quantized weight differ from those of the last call.
    func next() -> [Int] {
        var all: [Int] = [], offset = 0
        before.withUnsafeMutableBufferPointer { before in
            for weight in weights {
                guard let now = weight.integerWeights else { continue }
                var changed = 0
                for i in 0..<weight.value.count {
                    changed &+= before[offset + i] == now[i] ? 0 : 1
                    before[offset + i] = now[i]
                }
                all.append(changed)
                offset += weight.value.count
            }
        }
        return all
    }
}
