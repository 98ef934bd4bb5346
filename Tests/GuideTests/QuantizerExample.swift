// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization

/// A quantized ReLU that rounds to the nearest level, not up: `s · clamp(round(x/s), 0, L)`, `L = 2^bits − 1`, halves to even. Coarse
/// derivatives: in x the clipped ReLU's, in s the three-valued one.
struct NearestReLU: ActivationQuantizer {
    let bits: Int
    var name: String { "nearest-relu-\(bits)" }
    var grid: ClosedRange<Int> { 0...(1 << bits) - 1 }
    var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    private var top: Float { Float(grid.upperBound) }

    func inputDerivative(_ x: Float, stepSize: Float) -> Float { x > 0 && x <= top * stepSize ? 1 : 0 }

    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { x <= 0 ? 0 : x <= top * stepSize ? (top + 1) / 2 : top }
}

/// Weights ±δ with the scale of BinaryConnect's first form: one, not learned. `δ = 1`, `q = sign(w)`.
struct SignWeights: WeightQuantizer {
    let name = "sign"
    let maximumIntegerWeight = 1

    func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        (w.allSatisfy(\.isFinite) ? 1 : .nan, w.map { $0 >= 0 ? 1 : -1 })
    }
}
