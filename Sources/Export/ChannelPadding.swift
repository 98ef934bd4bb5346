// SPDX-License-Identifier: GPL-3.0-or-later

/// Weights `[O, I, taps]` with more outputs and inputs, as packed models ask for channels by sixteen; `fill` for those that are too many.
func padded<T>(_ numbers: [T], outputs: (from: Int, to: Int), inputs: (from: Int, to: Int), taps: Int, _ fill: T) -> [T] {
    guard outputs.from != outputs.to || inputs.from != inputs.to else { return numbers }
    var result = [T](repeating: fill, count: outputs.to * inputs.to * taps)
    for o in 0..<outputs.from {
        for i in 0..<inputs.from {
            for tap in 0..<taps { result[(o * inputs.to + i) * taps + tap] = numbers[(o * inputs.from + i) * taps + tap] }
        }
    }
    return result
}
