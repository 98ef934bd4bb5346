// SPDX-License-Identifier: GPL-3.0-or-later

extension WeightProjection {
    /// The global optimum for any number of bits, in O(n·L·log(n·L)) time and O(n·L) memory, `L` the largest code:
    /// the reference against which Lloyd's local optimum is measured.
    ///
    /// For a given `δ` the best codes round `|w|/δ`, so as `δ` falls from ∞ the code of weight `i` rises from `j−1` to `j`
    /// at `δ = |wᵢ|/(j − ½)`. Between breakpoints the codes are fixed and the least error is `‖w‖² − ⟨|w|,q⟩²/⟨q,q⟩`:
    /// the sweep over the sorted breakpoints visits every code vector that can be optimal. Conventions as for
    /// `referenceProject`; of equally good codes the sparsest.
    public func exactProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        guard bits > 1, w.allSatisfy(\.isFinite) else { return referenceProject(w) }
        precondition(!w.isEmpty, "no weights to project")
        var breakpoints: [(scale: Double, index: Int, code: Int)] = []
        for (index, weight) in w.enumerated() where weight != 0 {
            for code in 1...maximumCode {
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
        var codes = w.map { _ in 0 }
        for point in breakpoints.prefix(passed) { codes[point.index] += w[point.index] > 0 ? 1 : -1 }
        return (scale, codes)
    }
}
