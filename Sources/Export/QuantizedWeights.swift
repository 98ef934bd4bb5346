// SPDX-License-Identifier: GPL-3.0-or-later

/// δ·q, `[O, I, K, K]` or `[O, I]`; float ones have no integers.
struct QuantizedWeights {
    var shape: [Int]
    var integers: [Int8] = []
    var scales: [Double] = []
    var floats: [Float] = []
    var outputs: Int { shape.first ?? 0 }

    /// Bits that they take: 1 if all are ±1; 32 of float ones.
    var bits: Int {
        guard !integers.isEmpty else { return 32 }
        if integers.allSatisfy({ $0 == 1 || $0 == -1 }) { return 1 }
        let largest = integers.reduce(0) { max($0, abs(Int($1))) }
        return (2...8).first { 1 << ($0 - 1) - 1 >= largest } ?? 8
    }

    /// `[I, O]` as `[O, I]`.
    var transposed: QuantizedWeights {
        func turned<T>(_ numbers: [T]) -> [T] {
            guard shape.count == 2, numbers.count == shape[0] * shape[1] else { return numbers }
            return (0..<numbers.count).map { numbers[$0 % shape[0] * shape[1] + $0 / shape[0]] }
        }
        return QuantizedWeights(shape: shape.reversed(), integers: turned(integers), scales: scales, floats: turned(floats))
    }
}
