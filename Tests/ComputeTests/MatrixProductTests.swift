// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Statistics
import Testing

@Suite struct MatrixProductTests {
    struct Problem: Sendable, CustomStringConvertible {
        let m, n, k: Int
        var isTransposedA = false
        var isTransposedB = false
        var beta: Float = 0
        var description: String { "[\(m), \(k)] · [\(k), \(n)], transposed \(isTransposedA) \(isTransposedB), β \(beta)" }
    }

    /// The three products of linear layers: forward (Wᵀ, β = 1), weights' gradient (dyᵀ), input's gradient; sizes of classifiers and of
    /// LeNet-5's layer, less than a tile, ends of tiles, single rows and columns.
    static let problems: [Problem] = [(128, 10, 512), (64, 500, 800), (65, 257, 33), (1, 1, 1), (1, 300, 5), (130, 1, 7), (3, 2, 1000)]
        .flatMap {
            [
                Problem(m: $0.0, n: $0.1, k: $0.2, isTransposedB: true, beta: 1), Problem(m: $0.0, n: $0.1, k: $0.2, isTransposedA: true),
                Problem(m: $0.0, n: $0.1, k: $0.2), Problem(m: $0.0, n: $0.1, k: $0.2, isTransposedA: true, isTransposedB: true, beta: 0.5)
            ]
        }

    private func gaussians(_ count: Int, _ stream: UInt64) -> [Float] {
        var random = Philox(seed: 12, stream: stream)
        return (0..<count).map { _ in Float(random.normal()) }
    }

    private func multiply(_ p: Problem, _ a: [Float], _ b: [Float], _ c: [Float], threads: Int) throws -> [Float] {
        var c = c
        try a.withUnsafeBufferPointer { a in
            try b.withUnsafeBufferPointer { b in
                let (a, b) = (try #require(a.baseAddress), try #require(b.baseAddress))
                try Engine(threads: threads).multiply(
                    p.isTransposedA ? .transposed(a) : .plain(a), p.isTransposedB ? .transposed(b) : .plain(b), into: &c, m: p.m, n: p.n,
                    k: p.k,
                    beta: p.beta)
            }
        }
        return c
    }

    /// Whatever the order of the sum and whether products are fused: k products, k additions with those of β·C, each rounded, err by
    /// at most (k + 2)·u/(1 − (k + 2)·u) of the sum of magnitudes, u = 2⁻²⁴ (Higham, Accuracy and Stability, section 3.1). So the f32
    /// layers differ from those on another library by rounding only. Threads share tiles, so their number leaves no trace.
    @Test(arguments: problems) func differsFromSumsInDoubleByRounding(_ p: Problem) throws {
        let (a, b, c) = (gaussians(p.m * p.k, 0), gaussians(p.k * p.n, 1), gaussians(p.m * p.n, 2))
        let found = try multiply(p, a, b, c, threads: 1)
        let unit = Double(p.k + 2) * 0x1p-24
        var worst = 0.0
        for i in 0..<p.m {
            for j in 0..<p.n {
                var (sum, size) = (Double(p.beta) * Double(c[i * p.n + j]), Double(p.beta) * Double(c[i * p.n + j].magnitude))
                for l in 0..<p.k {
                    let x = Double(p.isTransposedA ? a[l * p.m + i] : a[i * p.k + l]),
                        y = Double(p.isTransposedB ? b[j * p.k + l] : b[l * p.n + j])
                    sum += x * y
                    size += abs(x * y)
                }
                worst = max(worst, abs(Double(found[i * p.n + j]) - sum) / (unit / (1 - unit) * size))
            }
        }
        #expect(worst <= 1)
        for threads in [1, 2, 3] { #expect(try multiply(p, a, b, c, threads: threads) == found, "\(threads) threads") }
    }

    /// What C held does not matter with β = 0; 0·NaN and 0·∞ are NaN, not left out; an empty sum is β·C.
    @Test func notANumber() throws {
        let p = Problem(m: 2, n: 2, k: 3)
        #expect(try multiply(p, [1, 2, 3, 4, 5, 6], [1, 0, 0, 1, 1, 1], [.nan, .infinity, .nan, -1], threads: 1) == [4, 5, 10, 11])
        for bad in [Float.nan, .infinity] {
            let spread = try multiply(p, [0, 0, 0, 1, 1, 1], [bad, 1, 1, 1, 1, 1], [0, 0, 0, 0], threads: 1)
            #expect(spread[0].isNaN && spread[1] == 0 && !spread[2].isFinite && spread[3] == 3)
        }
        let c = try multiply(p, [0, 0, 0, .nan, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0], threads: 1)
        #expect(c[0] == 0 && c[1] == 0 && c[2].isNaN && c[3].isNaN)
        #expect(try multiply(Problem(m: 2, n: 1, k: 0, beta: 1), [0], [0], [7, 8], threads: 1) == [7, 8])
        #expect(try multiply(Problem(m: 2, n: 1, k: 0), [0], [0], [7, .nan], threads: 1) == [0, 0])
        #expect(try multiply(Problem(m: 0, n: 1, k: 1), [0], [0], [7], threads: 1) == [7])
    }

    @Test func sidesBeyond32BitsAreRefused() throws {
        let engine = try Engine(threads: 1)
        var c: [Float] = [0]
        let none: [Float] = [0]
        try none.withUnsafeBufferPointer { none in
            let factor = MatrixFactor.plain(try #require(none.baseAddress)), large = 1 << 31
            for (m, n, k) in [(large, 1, 1), (1, large, 1), (1, 1, large)] {
                #expect { try engine.multiply(factor, factor, into: &c, m: m, n: n, k: k) } throws: {
                    "\($0)".contains("sides up to 2147483647")
                }
            }
        }
    }
}
