// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

extension Claim {
    static let networkLaw = Claim(
        id: "network-law", group: .bits,
        statement:
            "an activation that feeds only a linear layer + batch norm has an a.e. α-gradient of 0 in every mini-batch, so under that "
            + "rule its α stays where it was initialised; before the last linear layer, and under the three-valued rule, it is not 0",
        proof: .ours, source: "derived here (batch norm undoes the scale α; Euler's identity)",
        method:
            "24 random networks 8–16–16–10, batch 64, batch norm with scale and shift, b = 1 … 4, softmax loss, backward pass written out "
            + "in double: Σ gσ/α over Σ|gσ/α| at both activations, ε of batch norm 1e-12 and 1e-5",
        faults: [
            Fault("batch norm's mean of g·x̂ dropped in the backward pass") { $0.bits.normBackward = false }
        ],
        argument: BitsProofs.network
    ) { settings, _, formulas in
        let nets = try parallelMap(24, threads: settings.threads) { index -> [NetworkAlphas] in
            [1e-12, 1e-5].map { epsilon in
                var stream = Purpose.network.stream(settings.seed, index)
                return NetworkAlphas(&stream, bits: 1 + index % 4, epsilon: epsilon, formulas.bits)
            }
        }
        var evidence = Evidence()
        let small = nets.map(\.[0].hidden).worst, usual = nets.map(\.[1].hidden).worst
        let last = nets.map(\.[1].last).min() ?? 0
        // The median: of sums with both signs a single one may be small by chance.
        let others = median(nets.filter { $0[1].bits > 1 }.map(\.[1].threeValued))
        // Sums of 1024 products rounded at 1e-16, and ε against variances near 1.
        evidence.expect(small < 1e-10, "relative size \(format(small)) at ε = 1e-12")
        evidence.expect(usual < 1e-4, "relative size \(format(usual)) at ε = 1e-5")
        evidence.expect(last > 1e-5, "before the last layer \(format(last))")
        evidence.expect(others > 1e-3, "under the three-valued rule mostly \(format(others))")
        evidence.summary =
            "largest relative size \(format(small)) at ε = 1e-12, \(format(usual)) at 1e-5; before the last linear layer at least "
            + "\(format(last)); three-valued rule (b ≥ 2) \(format(others)) in the median"
        evidence.catches = "1e-10 of the sum of sizes at ε = 1e-12"
        return evidence
    }
}

/// Relative sizes |Σ x|/Σ|x| of the α-gradients' summands in a network linear–BN–σ–linear–BN–σ–linear, softmax loss.
private struct NetworkAlphas: Sendable {
    let bits: Int
    /// a.e. rule at the first activation, which feeds linear + batch norm, and at the last.
    let hidden: Double
    let last: Double
    /// The three-valued rule at the first.
    let threeValued: Double

    init(_ stream: inout Philox, bits: Int, epsilon: Double, _ formulas: BitsFormulas) {
        self.bits = bits
        let batch = 64, top = Double((1 << bits) - 1), alpha = 3 / top
        func weights(_ rows: Int, _ columns: Int) -> Matrix {
            let entries = scaled(stream.normals(rows * columns), by: 1 / Double(rows).squareRoot())
            return Matrix(rows: rows, columns: columns, entries: entries)
        }
        let input = Matrix(rows: batch, columns: 8, entries: stream.normals(batch * 8))
        let (w1, w2, w3) = (weights(8, 16), weights(16, 16), weights(16, 10))
        let labels = (0..<batch).map { _ in Int(10 * stream.uniform()) }
        let norms = (0..<2).map { _ in (scale: stream.normals(16).map { 1 + 0.3 * $0 }, shift: stream.normals(16).map { 0.5 + 0.3 * $0 }) }
        func codes(_ x: Matrix) -> Matrix { Matrix(rows: batch, columns: x.columns) { min(max((x[$0, $1] / alpha).rounded(.up), 0), top) } }

        let first = BatchNormed(input * w1, norms[0].scale, norms[0].shift, epsilon), firstCodes = codes(first.output)
        let activated = Matrix(rows: batch, columns: 16) { alpha * firstCodes[$0, $1] }
        let second = BatchNormed(activated * w2, norms[1].scale, norms[1].shift, epsilon)
        let secondCodes = codes(second.output)
        let scores = Matrix(rows: batch, columns: 16) { alpha * secondCodes[$0, $1] } * w3
        let scoreGradient = Matrix(rows: batch, columns: 10) { i, j in
            let shares = (0..<10).map { exp(scores[i, $0]) }
            return (shares[j] / shares.reduce(0, +) - (labels[i] == j ? 1 : 0)) / Double(batch)
        }
        // Coarse derivative of σ in x: the clipped ReLU's.
        let lastGradient = scoreGradient * w3.transposed
        let passed = Matrix(rows: batch, columns: 16) { i, j in
            second.output[i, j] > 0 && second.output[i, j] <= top * alpha ? lastGradient[i, j] : 0
        }
        let hiddenGradient = second.backward(passed, complete: formulas.normBackward) * w2.transposed
        func relative(_ gradient: Matrix, _ changes: Matrix) -> Double {
            let terms = zip(gradient.entries, changes.entries).map { $0 * $1 }
            return abs(terms.reduce(0, +)) / terms.reduce(0) { $0 + abs($1) }
        }
        hidden = relative(hiddenGradient, firstCodes)
        last = relative(lastGradient, secondCodes)
        threeValued = relative(
            hiddenGradient,
            Matrix(rows: batch, columns: 16) { i, j in
                first.output[i, j] <= 0 ? 0 : first.output[i, j] > top * alpha ? top : Double(1 << (bits - 1))
            })
    }
}

/// Batch norm over rows, with its backward pass.
private struct BatchNormed {
    let output: Matrix
    private let normalized: Matrix
    /// scale/√(variance + ε), by column.
    private let factors: [Double]

    init(_ x: Matrix, _ scale: [Double], _ shift: [Double], _ epsilon: Double) {
        let n = Double(x.rows)
        let means = (0..<x.columns).map { j in (0..<x.rows).reduce(0) { $0 + x[$1, j] } / n }
        let roots = (0..<x.columns).map { j in
            ((0..<x.rows).reduce(0) { $0 + (x[$1, j] - means[j]) * (x[$1, j] - means[j]) } / n + epsilon).squareRoot()
        }
        let hat = Matrix(rows: x.rows, columns: x.columns) { (x[$0, $1] - means[$1]) / roots[$1] }
        (normalized, factors) = (hat, zip(scale, roots).map { $0 / $1 })
        output = Matrix(rows: x.rows, columns: x.columns) { scale[$1] * hat[$0, $1] + shift[$1] }
    }

    /// - Parameter complete: false leaves out the mean of g·x̂ (a planted fault).
    func backward(_ g: Matrix, complete: Bool) -> Matrix {
        let n = Double(g.rows)
        let means = (0..<g.columns).map { j in (0..<g.rows).reduce(0) { $0 + g[$1, j] } / n }
        let products = (0..<g.columns).map { j in complete ? (0..<g.rows).reduce(0) { $0 + g[$1, j] * normalized[$1, j] } / n : 0 }
        return Matrix(rows: g.rows, columns: g.columns) { factors[$1] * (g[$0, $1] - means[$1] - normalized[$0, $1] * products[$1]) }
    }
}
