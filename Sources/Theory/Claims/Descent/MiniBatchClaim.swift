// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Sample-based coarse gradient descent against the population's.
extension Claim {
    static let miniBatch = Claim(
        id: "mini-batch", group: .descent,
        statement:
            "mini-batch coarse gradient descent follows the population path: the root-mean-square error falls with the batch size B as "
            + "B^(−1/2)",
        proof: .measured, source: "METHOD.md item 8 (observed)",
        method:
            "40 normalised steps, η = 0.1, m = 4, n = 6, 128 repetitions of each B = 2⁸ … 2¹⁴; weighted fit of the log-log slope, z-test "
            + "of −½",
        faults: [
            Fault("ReLU: w* term × 1.1", Formulas.theory.scaling(.coarseReLU, term: 2, by: 1.1)),
            Fault("ReLU: w* term dropped", Formulas.theory.scaling(.coarseReLU, term: 2, by: 0)),
            Fault("∂f/∂v: (1 − 2θ/π)v* × 1.1", Formulas.theory.scaling(.gradientV, term: 2, by: 1.1)),
            Fault("∂f/∂v: Jv* with the wrong sign", Formulas.theory.scaling(.gradientV, term: 3, by: -1))
        ]
    ) { settings, _, formulas in
        var stream = Purpose.miniBatch.stream(settings.seed, 0)
        let vStar = stream.direction(4), wStar = stream.direction(6)
        let start = TwoLayerPoint(v: stream.direction(4), vStar: vStar, w: stream.direction(at: 1.2, from: wStar), wStar: wStar)
        let descent = CoarseDescent(rate: 0.1, normalized: true), steps = 40, repetitions = 128
        let path = (0..<steps).reduce(start) { point, _ in descent.step(point, formulas: formulas) }
        let sampler = MonteCarlo(seed: settings.seed, threads: 1)
        let sizes = (8...14).map { 1 << $0 }
        let squares = try parallelMap(sizes.count * repetitions, threads: settings.threads) { job in
            // Jobs are dealt out in turn, so neighbours have the same size and the threads the same load.
            let experiment = Purpose.miniBatch.experiment(job)
            let end = try (0..<steps).reduce(start) {
                try descent.step($0, by: sampler, size: sizes[job / repetitions], experiment: experiment, index: $1)
            }
            let dv = norm(added(end.v, -1, path.v)), dw = norm(added(end.w, -1, path.w))
            return dv * dv + dw * dw
        }
        let fit = SlopeFit(sizes: sizes, squares: sizes.indices.map { Array(squares[($0 * repetitions)..<(($0 + 1) * repetitions)]) })
        var evidence = Evidence()
        evidence.tests = [ClaimTest(label: "slope", result: zTest(estimate: fit.slope, standardError: fit.standardError, expected: -0.5))]
        evidence.summary = String(format: "slope %.4f ± %.4f (standard error)", fit.slope, fit.standardError)
        evidence.detectable = { alpha, power in
            fit.standardError / 0.5 * (Distribution.normalQuantile(tail: alpha / 2) + Distribution.normalQuantile(tail: 1 - power))
        }
        evidence.tables = [
            DataTable(
                name: "mini_batch", columns: ["batch", "rms_error", "standard_error", "fit"],
                blocks: [
                    sizes.indices.map {
                        [
                            Double(sizes[$0]), fit.errors[$0], fit.errors[$0] * fit.logErrors[$0],
                            exp(fit.intercept + fit.slope * log(Double(sizes[$0])))
                        ]
                    }
                ])
        ]
        return evidence
    }
}

/// Weighted least squares of log(rms error) on log B. The variance of ½ log(mean square) is that of the squares, by the delta method.
private struct SlopeFit {
    let slope: Double
    let intercept: Double
    let standardError: Double
    let errors: [Double]
    /// Standard errors of the logarithms.
    let logErrors: [Double]

    init(sizes: [Int], squares: [[Double]]) {
        var errors: [Double] = [], logErrors: [Double] = []
        for list in squares {
            let n = Double(list.count), mean = list.reduce(0, +) / n
            let variance = list.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
            errors.append(mean.squareRoot())
            logErrors.append((variance / n).squareRoot() / (2 * mean))
        }
        let weights = logErrors.map { 1 / ($0 * $0) }, x = sizes.map { log(Double($0)) }, y = errors.map { log($0) }
        let total = weights.reduce(0, +), meanX = dot(weights, x) / total, meanY = dot(weights, y) / total
        let centered = x.map { $0 - meanX }
        let spread = zip(weights, centered).reduce(0) { $0 + $1.0 * $1.1 * $1.1 }
        slope = zip(zip(weights, centered), y).reduce(0) { $0 + $1.0.0 * $1.0.1 * ($1.1 - meanY) } / spread
        intercept = meanY - slope * meanX
        standardError = (1 / spread).squareRoot()
        (self.errors, self.logErrors) = (errors, logErrors)
    }
}
