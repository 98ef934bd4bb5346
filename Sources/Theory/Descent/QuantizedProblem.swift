// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Quantization
import Statistics

/// A smooth loss of weights `w ∈ Rⁿ` whose gradient is L-Lipschitz, L from the spectrum of the data (N rows):
/// least squares `‖Aw − b‖²/(2N)`, `L = λmax(AᵀA)/N`, or logistic regression `mean log(1 + e^{−b_i A_i w})`, `b_i = ±1`,
/// `L = λmax(AᵀA)/(4N)`.
struct QuantizedProblem: Sendable {
    enum Kind: String, CaseIterable, Sendable { case leastSquares = "least squares", logistic }
    let kind: Kind
    let a: Matrix
    let b: [Double]
    let lipschitz: Double

    init(kind: Kind, rows: Int, columns: Int, _ stream: inout Philox) throws {
        self.kind = kind
        // Correlated columns: a spread spectrum, as real layers have.
        let common = stream.normals(rows), share = stream.uniform()
        let entries = stream.normals(rows * columns)
        let a = Matrix(rows: rows, columns: columns) { entries[$0 * columns + $1] + 2 * share * common[$0] }
        let noise = stream.normals(rows), target = a * stream.normals(columns)
        b = zip(target, noise).map { kind == .leastSquares ? $0 + $1 : ($0 + $1 > 0 ? 1 : -1) }
        let largest = try a.transposedTimes(a).symmetricEigenvalues().last ?? 0
        lipschitz = largest / Double(rows) / (kind == .leastSquares ? 1 : 4)
        self.a = a
    }

    func loss(_ w: [Double]) -> Double {
        let scores = a * w
        let sum = zip(scores, b).reduce(0.0) { total, pair in
            switch kind {
            case .leastSquares: return total + (pair.0 - pair.1) * (pair.0 - pair.1) / 2
            case .logistic:
                let margin = pair.0 * pair.1
                return total + (margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin)
            }
        }
        return sum / Double(b.count)
    }

    func gradient(_ w: [Double]) -> [Double] {
        let slopes = zip(a * w, b).map { score, target in
            kind == .leastSquares ? score - target : -target / (1 + exp(score * target))
        }
        return scaled(a.transposedTimes(slopes), by: 1 / Double(b.count))
    }
}

/// Blended gradient descent with an exact projection (METHOD.md part 1; Yin et al. 2019, equation of BCGD), full batch:
/// `w_f ← (1 − ρ) w_f + ρ w_q − η ∇f(w_q)`, `w_q ← proj_Q(w_f)`.
struct BlendedDescent {
    let problem: QuantizedProblem
    let projection: ([Double]) -> [Double]
    /// 0 … 1.
    let rho: Double
    let eta: Double
    private(set) var float: [Double]
    private(set) var quantized: [Double]
    private(set) var loss: Double

    init(_ problem: QuantizedProblem, projection: @escaping ([Double]) -> [Double], rho: Double, eta: Double, start: [Double]) {
        (self.problem, self.projection, self.rho, self.eta, float) = (problem, projection, rho, eta, start)
        quantized = projection(start)
        loss = problem.loss(quantized)
    }

    /// One step; the change of f at the quantized weights and `‖Δw_q‖²`.
    mutating func step() -> (change: Double, squaredMove: Double) {
        let blended = added(scaled(float, by: 1 - rho), rho, quantized)
        float = added(blended, -eta, problem.gradient(quantized))
        let next = projection(float), move = added(next, -1, quantized), before = loss
        quantized = next
        loss = problem.loss(next)
        return (loss - before, dot(move, move))
    }

    /// The exact projection on δ·{±1}ⁿ (`bits` 1) or δ·{0, ±1}ⁿ (`bits` 2).
    static func exactProjection(bits: Int) throws -> @Sendable ([Double]) -> [Double] {
        let projection = try WeightProjection(bits: bits)
        return { w in
            let (scale, integerWeights) = projection.referenceProject(w)
            return integerWeights.map { scale * Double($0) }
        }
    }
}
