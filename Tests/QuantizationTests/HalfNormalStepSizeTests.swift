// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Quantization
import Testing

@Suite struct HalfNormalStepSizeTests {
    /// The exact values to the digits of the theory notes, 1 to 4 bits; the authors' printed ones, of finite samples, within 1 %.
    @Test(arguments: [(1, 1.22401, 1.2221), (2, 0.65077, 0.6511), (3, 0.35341, nil), (4, 0.19325, 0.1946)] as [(Int, Double, Double?)])
    func knownValues(bits: Int, exact: Double, printed: Double?) {
        let step = halfNormalStepSize(qmax: 1 << bits - 1)
        #expect(abs(step - exact) < 5e-6)
        if let printed { #expect(abs(step - printed) < 0.01 * printed) }
    }

    /// The error by the midpoint rule is nowhere smaller, on a grid of step sizes around and far from the solution.
    @Test(arguments: [1, 2, 3, 7, 15, 255]) func noOtherStepSizeIsBetter(qmax: Int) {
        func error(_ step: Double) -> Double {
            let h = 1e-3
            return (0..<9000).reduce(0) { sum, i in
                let x = (Double(i) + 0.5) * h, level = min((x / step).rounded(), Double(qmax))
                return sum + h * exp(-x * x / 2) * (x - level * step) * (x - level * step)
            }
        }
        let step = halfNormalStepSize(qmax: qmax), least = error(step)
        for factor in (1...80).map({ Double($0) / 20 }) where factor != 1 { #expect(error(factor * step) > least, "\(factor)") }
        for factor in [0.98, 1.02] { #expect(error(factor * step) > least) }
    }

    /// Lloyd's projection of quantiles of the half-normal, whose levels are the same but for their sign, comes to nearly the same scale.
    @Test func agreesWithLloydsProjection() throws {
        let n = 20_000
        var quantiles: [Double] = [], x = 0.0
        for i in 0..<n {  // of |z|: erf(x/√2) = p, by Newton from the last one
            let p = (Double(i) + 0.5) / Double(n)
            for _ in 0..<60 { x -= (erf(x / 2.0.squareRoot()) - p) / ((2 / Double.pi).squareRoot() * exp(-x * x / 2)) }
            quantiles.append(x)
        }
        for bits in [2, 3, 4] {  // qmax = 2^(bits − 1) − 1
            let scale = try LloydProjection(bits: bits).referenceProject(quantiles).scale
            // n quantiles cut the tail above 4; the error of the fit is of that order.
            #expect(abs(scale - halfNormalStepSize(qmax: 1 << (bits - 1) - 1)) < 2e-4)
        }
    }
}
