// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The step size α that minimises E(x − q(x))² over half-normal x (|z|, or max(z, 0), of a standard normal z), with q(x) the nearest of the
/// levels 0, α, …, qmax·α: a fixed α for pre-activations that leave a batch norm without scale and shift (Yin et al., ICLR 2019, section
/// 4).
///
/// It is the fixed point of Lloyd's alternation, of integrals where `LloydProjection` has sums: q takes the nearest level, k ≥ 1 on
/// ((k − ½)α, (k + ½)α) and qmax above; then α becomes ⟨x, q/α⟩/⟨q/α, q/α⟩. By parts, with φ and Φ of the standard normal,
///
///     α = Σₖ φ((k − ½)α) / Σₖ (2k − 1)·(1 − Φ((k − ½)α)),   k = 1 … qmax
///
/// Nearest, not rounded up as the quantized ReLU rounds in the network: so the values that the authors print, of a finite sample (1.2221,
/// 0.6511 and 0.1946 at 1, 2 and 4 bits), are close to these; rounding up would give 0.79788, 0.41254 and 0.12416.
///
/// - Parameter qmax: the highest level, at least 1; 2^b − 1 at b bits.
public func halfNormalStepSize(qmax: Int) -> Double {
    precondition(qmax >= 1, "one level above 0 at least")
    /// Above α where α is too small: too much is cut off.
    func fitted(_ step: Double) -> Double {
        var (cross, square) = (0.0, 0.0)
        for k in 1...qmax {
            let edge = (Double(k) - 0.5) * step
            cross += exp(-edge * edge / 2) / (2 * Double.pi).squareRoot()
            square += Double(2 * k - 1) * erfc(edge / 2.0.squareRoot()) / 2
        }
        return cross / square
    }
    // Bisection: the alternation itself takes thousands of rounds at 8 bits.
    var (below, above) = (0.0, 3.0)
    for _ in 0..<60 {
        let step = (below + above) / 2
        if fitted(step) > step { below = step } else { above = step }
    }
    return (below + above) / 2
}
