// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Parallelism
import Statistics
import TestSupport
import Testing

@Suite struct MonteCarloTests {
    /// The vector code draws exactly the documented numbers; f32 polynomials are good to a few units in the last place.
    /// The near-1 radial words, where f32 resolves u in steps of 2⁻²⁴, give the absolute part.
    @Test(arguments: InstructionSet.available) func normalsAreTheDocumentedOnes(_ set: InstructionSet) throws {
        try set.limit {
            let sampler = MonteCarlo(seed: 0x1234_5678_9abc, threads: 1)
            let entries = 11, samples = 4096
            let found = try sampler.normals(samples: samples, entries: entries, experiment: 77)
            var (bias, squareBias) = (0.0, 0.0)
            for sample in 0..<samples {
                let expected = referenceNormals(seed: 0x1234_5678_9abc, experiment: 77, sample: sample, entries: entries)
                for (k, value) in expected.enumerated() {
                    let z = Double(found[sample * entries + k])
                    if abs(z - value) > 1e-6 * abs(value) + 2e-4 * exp(-value * value * 20) + 1e-6 {
                        Issue.record("sample \(sample) entry \(k): \(z), expected \(value)")
                        return
                    }
                    bias += z - value
                    squareBias += z * z - value * value
                }
            }
            // A thousand times below the statistical error of 10⁸ samples.
            #expect(abs(bias) / Double(samples * entries) < 1e-7 && abs(squareBias) / Double(samples * entries) < 1e-7)
        }
    }

    /// 64 chunks do not divide by three; 70 blocks are fewer in some chunks than in others, 40 are fewer than chunks.
    @Test(arguments: [70, 40]) func ranksGiveTheBitsOfOne(_ blocks: Int) throws {
        let point = randomPoint(m: 3, n: 5, theta: 1, length: 1.2, seed: 5), samples = blocks * MonteCarlo.blockSize
        let alone = try MonteCarlo(seed: 7, threads: 2).estimate(point, samples: samples, experiment: 3).blocks
        for shared in try onRanks(
            3, { try MonteCarlo(seed: 7, threads: 1, collective: $0).estimate(point, samples: samples, experiment: 3).blocks })
        {
            #expect(shared.mean == alone.mean && shared.covariance == alone.covariance)
        }
    }

    /// 2²² numbers, seed 3: χ² over 64 equally likely bins, the first four moments, and neighbours' correlation.
    /// Six tests at 1e-7 each.
    @Test func normalsAreNormal() throws {
        let entries = 64, samples = 1 << 16, count = Double(samples * entries)
        let z = try MonteCarlo(seed: 3, threads: 1).normals(samples: samples, entries: entries, experiment: 0).map(Double.init)
        let edges = (1..<64).map { Distribution.normalQuantile(tail: 1 - Double($0) / 64) }
        var bins = [Int](repeating: 0, count: 64)
        var sums = [0.0, 0, 0, 0], neighbours = 0.0
        for (index, x) in z.enumerated() {
            bins[edges.partitioningIndex { $0 > x }] += 1
            sums[0] += x
            sums[1] += x * x - 1
            sums[2] += x * x * x
            sums[3] += x * x * x * x - 3
            if index % entries > 0 { neighbours += x * z[index - 1] }
        }
        #expect(chiSquareTest(observed: bins, expected: [Double](repeating: count / 64, count: 64)).pValue > 1e-7)
        for (sum, variance) in zip(sums, [1.0, 2, 15, 96]) {
            #expect(zTest(estimate: sum / count, standardError: (variance / count).squareRoot(), expected: 0).pValue > 1e-7)
        }
        let pairs = count * 63 / 64
        #expect(zTest(estimate: neighbours / pairs, standardError: (1 / pairs).squareRoot(), expected: 0).pValue > 1e-7)
    }

    /// The whole pass against the definitions, sample by sample in double, for odd sizes. The same numbers, so only f32 rounding
    /// and rare flips of an indicator near 0 differ: a flip changes a mean over 1024 samples by 0.1 % of a sample.
    @Test(arguments: [(3, 5), (4, 6), (5, 9), (1, 2)], InstructionSet.available)
    func estimatorsAreTheDefinitions(_ size: (Int, Int), set: InstructionSet) throws {
        let (m, n) = size
        try set.limit {
            let point = randomPoint(m: m, n: n, theta: 1.1, length: 0.8, seed: 9)
            let samples = 1024
            let estimates = try MonteCarlo(seed: 4, threads: 1).estimate(point, samples: samples, experiment: 5)
            var sums: [Quantity: [Double]] = [:]
            func add(_ quantity: Quantity, _ x: [Double]) {
                sums[quantity] = zip(sums[quantity] ?? x.map { _ in 0 }, x).map { $0 + $1 / Double(samples) }
            }
            for sample in 0..<samples {
                let z = referenceNormals(seed: 4, experiment: 5, sample: sample, entries: m * n)
                let rows = (0..<m).map { Array(z[($0 * n)..<(($0 + 1) * n)]) }
                let a = rows.map { dot($0, point.w) }, b = rows.map { dot($0, point.wStar) }
                func residual(_ a: [Double], _ b: [Double]) -> Double {
                    (0..<m).reduce(0) { $0 + (a[$1] > 0 ? point.v[$1] : 0) - (b[$1] > 0 ? point.vStar[$1] : 0) }
                }
                let r = residual(a, b)
                add(.loss, [r * r / 2])
                add(.gradientV, a.map { $0 > 0 ? r : 0 })
                func gathered(_ c: (Int) -> Double) -> [Double] { (0..<n).map { j in (0..<m).reduce(0) { $0 + rows[$1][j] * c($1) } } }
                add(.coarseReLU, gathered { a[$0] > 0 ? point.v[$0] * r : 0 })
                add(.coarseClipped, gathered { a[$0] > 0 && a[$0] < 1 ? point.v[$0] * r : 0 })
                add(.coarseIdentity, gathered { point.v[$0] * r })
                // Item 9, literally: row i replaced by PZ_i, σ_i by 0.
                var gradient = [Double](repeating: 0, count: n)
                for i in 0..<m {
                    let across = zip(rows[i], point.u).map { $0 - a[i] / point.normW * $1 }
                    var (ai, bi) = (a, b)
                    ai[i] = -1
                    bi[i] = dot(across, point.wStar)
                    let weight = point.v[i] * (residual(ai, bi) + point.v[i] / 2) / ((2 * Double.pi).squareRoot() * point.normW)
                    for j in 0..<n { gradient[j] += weight * across[j] }
                }
                add(.gradientW, gradient)
            }
            for (quantity, expected) in sums {
                #expect(
                    distance(estimates.moments(quantity).mean, expected) < 5e-6 * (1 + dot(expected, expected).squareRoot()), "\(quantity)")
            }
        }
    }

    /// Bit for bit, whatever the number of threads, and in two parts as in one up to the order of the sums.
    @Test func resultsDoNotDependOnThreads() throws {
        let point = randomPoint(m: 4, n: 6, theta: 1, length: 1, seed: 2)
        let samples = 100 * MonteCarlo.blockSize + 1
        let one = try MonteCarlo(seed: 8, threads: 1).estimate(point, samples: samples, experiment: 3)
        for threads in [2, 3, 7] {
            let other = try MonteCarlo(seed: 8, threads: threads).estimate(point, samples: samples, experiment: 3)
            for quantity in [Quantity.loss, .gradientV, .gradientW, .coarseReLU, .coarseClipped, .coarseIdentity] {
                #expect(one.moments(quantity).mean == other.moments(quantity).mean)
                #expect(one.moments(quantity).covariance == other.moments(quantity).covariance)
            }
        }
        let sampler = MonteCarlo(seed: 8, threads: 2)
        let parts = try sampler.estimate(point, samples: 60 * 256, experiment: 3)
            .merged(try sampler.estimate(point, samples: 41 * 256, experiment: 3, firstBlock: 60))
        #expect(parts.samples == one.samples)
        #expect(distance(parts.moments(.coarseReLU).mean, one.moments(.coarseReLU).mean) < 1e-13)
        #expect(distance(parts.moments(.coarseReLU).covariance.entries, one.moments(.coarseReLU).covariance.entries) < 1e-13)
        let otherExperiment = try sampler.estimate(point, samples: samples, experiment: 4)
        #expect(otherExperiment.moments(.loss).mean != one.moments(.loss).mean)
    }

    /// The standard errors are honest: z-scores of 400 independent correlations (seed 6) have variance 1 and mean 0;
    /// a variance of 400 normals lies within 1 ± 0.36 and a mean within ± 0.26 but for one case in 10⁶.
    @Test(arguments: Proxy.allCases) func correlationErrorsAreHonest(proxy: Proxy) throws {
        let point = randomPoint(m: 3, n: 4, theta: 1.3, length: 1, seed: 12)
        let sampler = MonteCarlo(seed: 6, threads: 2)
        let exact = point.value(proxy.correlation)[0]
        let scores = try (0..<400).map { repetition in
            let first = try sampler.estimate(point, samples: 64 * 256, experiment: UInt32(2 * repetition))
            let second = try sampler.estimate(point, samples: 64 * 256, experiment: UInt32(2 * repetition + 1))
            let measured = measuredCorrelation(proxy, gradientFrom: first, trueFrom: second)
            return (measured.value - exact) / measured.standardError
        }
        let mean = scores.reduce(0, +) / 400
        #expect(abs(mean) < 0.26)
        #expect(abs(scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 399 - 1) < 0.36)
    }

    /// Where v ⊥ v* the correlation is 0, and an unbiased variance would be as often below 0 as above: the standard error stays above 0,
    /// and z within what a standard normal exceeds once in 10⁶ (seed 6, 1200 scores: 4.9 for one, 6.0 for all).
    @Test(arguments: Proxy.allCases) func correlationErrorsAreHonestAtZero(proxy: Proxy) throws {
        let point = TwoLayerPoint(v: [1, 1, 0.4], vStar: [1, -1, 0], w: [0.3, 0.9, -0.2, 0.4], wStar: [1, 0, 0, 0])
        let sampler = MonteCarlo(seed: 6, threads: 2)
        for repetition in 0..<400 {
            let first = try sampler.estimate(point, samples: 16 * 256, experiment: UInt32(2 * repetition))
            let second = try sampler.estimate(point, samples: 16 * 256, experiment: UInt32(2 * repetition + 1))
            let measured = measuredCorrelation(proxy, gradientFrom: first, trueFrom: second)
            #expect(measured.standardError > 0 && abs(measured.value) < 6 * measured.standardError)
        }
    }
}

extension Array {
    /// The first index whose element satisfies a condition that holds from some index on.
    fileprivate func partitioningIndex(_ condition: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
