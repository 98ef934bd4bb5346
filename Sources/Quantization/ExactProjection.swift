// SPDX-License-Identifier: GPL-3.0-or-later

/// Uniform levels 0, ±1 … ±L, `L = 2^(bits−1) − 1`, exact: the global minimum of `‖w − δq‖`, in O(n·L·log(n·L)) time and O(n·L) memory:
/// the reference against which Lloyd's local minimum is measured. (It has no fast form of its own.)
///
/// For a given `δ` the best integer weights round `|w|/δ`, so as `δ` falls from ∞ the code of weight `i` rises from `j−1` to `j`
/// at `δ = |wᵢ|/(j − ½)`. Between breakpoints the integer weights are fixed and the least error is `‖w‖² − ⟨|w|,q⟩²/⟨q,q⟩`:
/// the sweep over the sorted breakpoints visits every code vector that can be optimal. Of equally good integer weights
/// the sparsest; all weights 0: `δ = 0`, integer weights 0. Coarse gradient: straight through.
///
/// Measured on Gaussian weights (200 draws; 50 at n = 10 000), squared error of Lloyd above the optimum, mean and worst:
///
/// | bits, n | draws above | run to its end | 10 iterations | 1 iteration |
/// |---|---|---|---|---|
/// | 3, 100 | 54 % | 2.1 %, 33 % | 2.2 % | 16 % |
/// | 3, 10 000 | 58 % | 3e-4 %, 4e-3 % | 2.6 % | 117 % |
/// | 4, 100 | 61 % | 3.0 %, 24 % | 3.0 % | 7 % |
/// | 4, 1000 | 74 % | 1.1 %, 24 % | 13 % | 38 % |
/// | 4, 10 000 | 78 % | 6e-3 %, 0.1 % | 33 % | 88 % |
/// | 5, 1000 | 94 % | 6.1 %, 32 % | 11 % | 17 % |
///
/// So the start at `2·max|w|/(2^bits − 1)` is far from the optimum for large tensors, and few iterations leave it there.
public struct ExactProjection: WeightQuantizer, Equatable {
    public let bits: Int
    public var name: String { "exact-\(bits)" }
    public var maximumIntegerWeight: Int { (1 << (bits - 1)) - 1 }

    /// - Throws: `QuantizationError` unless `bits` is 2 … 8.
    public init(bits: Int) throws {
        guard (2...8).contains(bits) else { throw QuantizationError.bits(bits, of: "weight bits", allowed: 2...8) }
        self.bits = bits
    }

    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        var breakpoints: [(scale: Double, index: Int, code: Int)] = []
        for (index, weight) in w.enumerated() where weight != 0 {
            for code in 1...maximumIntegerWeight {
                breakpoints.append((Double(weight.magnitude) / (Double(code) - 0.5), index, code))
            }
        }
        breakpoints.sort { $0.scale > $1.scale }
        var (cross, square, best, passed, scale) = (0.0, 0.0, 0.0, 0, T(0))
        for (number, point) in zip(1..., breakpoints) {
            cross += Double(w[point.index].magnitude)
            square += Double(2 * point.code - 1)
            guard cross * cross / square > best else { continue }
            (best, passed, scale) = (cross * cross / square, number, T(cross / square))
        }
        var integerWeights = w.map { _ in 0 }
        for point in breakpoints.prefix(passed) { integerWeights[point.index] += w[point.index] > 0 ? 1 : -1 }
        return (scale, integerWeights)
    }
}
