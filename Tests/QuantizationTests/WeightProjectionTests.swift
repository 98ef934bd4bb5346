// SPDX-License-Identifier: GPL-3.0-or-later
import Parallelism
import Quantization
import Statistics
import Testing

/// ‖w − δq‖² in Double.
func squaredError(_ w: [Double], _ scale: Double, _ integerWeights: [Int]) -> Double {
    zip(w, integerWeights).reduce(0) { $0 + ($1.0 - scale * Double($1.1)) * ($1.0 - scale * Double($1.1)) }
}

/// The first index at which two arrays differ. (`#expect(a == b)` on long arrays would print an edit script, in quadratic time.)
func firstDifference<T: Equatable>(_ a: [T], _ b: [T]) -> Int? {
    a.count == b.count ? a.indices.first { a[$0] != b[$0] } : min(a.count, b.count)
}

func gaussians(_ count: Int, seed: UInt64, stream: UInt64 = 0) -> [Double] {
    var generator = Philox(seed: seed, stream: stream)
    return (0..<count).map { _ in generator.normal() }
}

@Suite struct ProjectionOptimalityTests {
    /// The least error over all code vectors, each with its best non-negative scale.
    static func bruteForce(_ w: [Double], integerWeights: [Int]) -> Double {
        var vectors = [[Int]](repeating: [], count: 1)
        for _ in w { vectors = vectors.flatMap { vector in integerWeights.map { vector + [$0] } } }
        return vectors.reduce(.infinity) { least, q in
            let square = Double(q.reduce(0) { $0 + $1 * $1 })
            let cross = zip(w, q).reduce(0) { $0 + $1.0 * Double($1.1) }
            return min(least, squaredError(w, square > 0 ? max(0, cross / square) : 0, q))
        }
    }

    /// Small cases with ties, zeros and equal magnitudes, then Gaussians (seed 4).
    static func cases(_ n: Int) -> [[Double]] {
        let special: [[Double]] = [
            [3, 1, 1, 1], [0, 0, 2, -2], [1, 1, 1, 1], [-0.5, 1.5, 2.5, -3.5], [100, 1, 1, 1], [7, -7, 0, 1e-3]
        ]
        return special.map { Array($0.prefix(n)) } + (0..<12).map { gaussians(n, seed: 4, stream: UInt64($0)) }
    }

    /// Tolerance: both errors are sums of n ≤ 8 squares of numbers of size ‖w‖, each rounded a few times.
    static func tolerance(_ w: [Double]) -> Double { 1e-13 * w.reduce(0) { $0 + $1 * $1 } }

    @Test(arguments: [(1, 1), (1, 8), (2, 1), (2, 4), (2, 7)]) func binaryAndTernaryAreOptimal(bits: Int, n: Int) throws {
        let projection = try WeightProjection(bits: bits)
        for w in Self.cases(n) {
            let least = Self.bruteForce(w, integerWeights: bits == 1 ? [-1, 1] : [-1, 0, 1])
            let (scale, integerWeights) = projection.referenceProject(w)
            #expect(abs(squaredError(w, scale, integerWeights) - least) <= Self.tolerance(w), "\(w)")
        }
    }

    @Test(arguments: [(2, 7), (3, 4), (4, 3)]) func sweepIsOptimal(bits: Int, n: Int) throws {
        let projection = try ExactProjection(bits: bits)
        let top = projection.maximumIntegerWeight
        for w in Self.cases(n) {
            let (scale, integerWeights) = projection.referenceProject(w)
            #expect(
                abs(squaredError(w, scale, integerWeights) - Self.bruteForce(w, integerWeights: Array(-top...top))) <= Self.tolerance(w))
        }
    }

    /// 200 Gaussian tensors (seed 5): Lloyd is never better than the optimum, and equal to it for some, worse for others.
    @Test(arguments: [3, 4, 8]) func lloydIsNeverBelowTheOptimum(bits: Int) throws {
        let (projection, optimum) = (try LloydProjection(bits: bits), try ExactProjection(bits: bits))
        var above = 0
        for stream in 0..<200 {
            let w = gaussians(100, seed: 5, stream: UInt64(stream))
            let (lloyd, exact) = (projection.referenceProject(w), optimum.referenceProject(w))
            let (found, least) = (squaredError(w, lloyd.scale, lloyd.integerWeights), squaredError(w, exact.scale, exact.integerWeights))
            #expect(found >= least - Self.tolerance(w))
            above += found > least + Self.tolerance(w) ? 1 : 0
            // Fixed point: the scale is the best for the integer weights, and the integer weights are the nearest for the scale.
            #expect(
                zip(w, lloyd.integerWeights).allSatisfy {
                    abs($0 - lloyd.scale * Double($1)) <= lloyd.scale * 0.5000001
                        || abs($1) == projection.maximumIntegerWeight
                })
            let q = lloyd.integerWeights.map(Double.init)
            let best = zip(w, q).reduce(0) { $0 + $1.0 * $1.1 } / q.reduce(0) { $0 + $1 * $1 }
            // The same sums of 100 terms in f64, in another order.
            #expect(abs(lloyd.scale / best - 1) < 1e-13)
        }
        #expect(above > 0 && above < 200, "a sweep that is never better than Lloyd would be Lloyd")
    }

    @Test func ternarySweepAgreesWithSorting() throws {
        let (exact, ternary) = (try ExactProjection(bits: 2), TernaryProjection())
        for stream in 0..<20 {
            let w = gaussians(500, seed: 6, stream: UInt64(stream))
            #expect(firstDifference(exact.referenceProject(w).integerWeights, ternary.referenceProject(w).integerWeights) == nil)
        }
    }
}

@Suite struct WeightProjectionTests {
    static func cases() -> [(name: String, w: [Float])] {
        var list: [(String, [Float])] = [
            ("one", [-0.75]), ("zero", [0]), ("zeros", [0, -0.0, 0]), ("tie of two k", [3, -1, 1, 1]),
            ("equal", [Float](repeating: 0.1, count: 1000)),
            ("denormal", [.leastNonzeroMagnitude, -2 * .leastNonzeroMagnitude, 0, 7 * .leastNonzeroMagnitude]),
            ("huge", [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 1e38, 1]),
            ("halves", [7.5, 0.5, 1.5, 2.5, -3.5, 0, -0.0])
        ]
        for n in [2, 15, 16, 17, 432, 40_003, 200_000] {
            let normal = gaussians(n, seed: 7, stream: UInt64(n))
            list.append(("Gaussian \(n)", normal.map { Float(0.05 * $0) }))
            list.append(("heavy tail \(n)", normal.map { Float($0 * $0 * $0 * $0 * $0) }))
            list.append(("few values \(n)", normal.map { Float(($0 * 2).rounded()) / 4 }))
            list.append(("two sizes \(n)", normal.indices.map { Float(normal[$0]) * ($0 % 100 == 0 ? 1000 : 1) }))
        }
        return list
    }

    /// Scale and integer weights of the fast path are the reference's, bit for bit: both sum in Double and round once to Float, so
    /// they could differ only if a sum fell within 10⁻¹³ of a rounding boundary of Float, which none of these fixed cases does.
    @Test(arguments: 1...8, InstructionSet.available) func fastEqualsReference(bits: Int, set: InstructionSet) throws {
        try set.limit {
            let projection = try WeightProjection(bits: bits)
            for (name, w) in Self.cases() {
                let (scale, expected) = projection.referenceProject(w)
                var (quantized, integerWeights) = ([Float](repeating: -9, count: w.count), [Int8](repeating: -9, count: w.count))
                let found = projection.project(w, count: w.count, quantized: &quantized, integerWeights: &integerWeights, threads: 1)
                #expect(found.bitPattern == scale.bitPattern, "\(name)")
                #expect(firstDifference(integerWeights.map(Int.init), expected) == nil, "\(name)")
                #expect(firstDifference(quantized, expected.map { scale * Float($0) }) == nil, "\(name)")
            }
        }
    }

    /// 200 003 weights are 13 blocks, which 2 and 3 threads share unevenly; few iterations, as each is a parallel region.
    @Test(arguments: [1, 2, 4], InstructionSet.available) func threadsAndMissingCodesLeaveNoTrace(bits: Int, set: InstructionSet) throws {
        try set.limit {
            let projection = try WeightProjection(bits: bits, maximumIterations: 3)
            let w = gaussians(200_003, seed: 8).map { Float($0) }
            let expected = projection.project(w, threads: 1)
            for threads in [2, 3] {
                let found = projection.project(w, threads: threads)
                #expect(found.scale.bitPattern == expected.scale.bitPattern)
                #expect(firstDifference(found.integerWeights, expected.integerWeights) == nil)
                var quantized = w.map { _ in Float(5) }
                projection.project(w, count: w.count, quantized: &quantized, threads: threads)
                #expect(firstDifference(quantized, expected.integerWeights.map { expected.scale * Float($0) }) == nil)
            }
        }
    }

    /// Two almost equal optima, the better one inside a bin of the histogram whose edges are both worse than the other.
    ///
    /// K times 2.6, one weight just above and one just below 1.3 (half the scale), then lower ones, the last chosen so
    /// that keeping all gives an objective halfway between those of K + 1 and K + 2: F(K + 2) < F(all) < F(K + 1).
    @Test(arguments: InstructionSet.available) func ternaryFindsAnOptimumInsideABin(_ set: InstructionSet) throws {
        try set.limit {
            let big = 10_000
            var w = [Float](repeating: 2.6, count: big) + [1.3 * 1.0001, 1.3 * 0.9999]
            func objective(_ w: ArraySlice<Float>) -> Double {
                let sum = w.reduce(0) { $0 + Double($1) }
                return sum * sum / Double(w.count)
            }
            let between = (objective(w.prefix(big + 1)) + objective(w[...])) / 2
            var (sum, last) = (w.reduce(0) { $0 + Double($1) }, 0.0)
            while w.count < 2 * big || !(0.8...0.975).contains(last) {
                try #require(w.count < 4 * big)
                w.append(0.975)
                sum += Double(w[w.count - 1])
                last = (between * Double(w.count + 1)).squareRoot() - sum
            }
            w.append(Float(last))
            let ternary = try WeightProjection(bits: 2)
            let found = ternary.project(w)
            #expect(found.integerWeights.reduce(0) { $0 + Int($1) } == big + 1)
            #expect(firstDifference(found.integerWeights.map(Int.init), ternary.referenceProject(w).integerWeights) == nil)
        }
    }

    @Test(arguments: InstructionSet.available) func equalsPyTorch(_ set: InstructionSet) throws {
        try set.limit {
            for vector in PyTorchVectors.projections {
                let result: (scale: Float, integerWeights: [Int8])
                switch vector.kind {
                case "binary": result = try WeightProjection(bits: 1).project(vector.w)
                case "ternary": result = try WeightProjection(bits: 2).project(vector.w)
                case "lloyd-4-1": result = try WeightProjection(bits: 4, maximumIterations: 1).project(vector.w)
                default: result = AuthorsTernaryProjection().project(vector.w)
                }
                #expect(result.integerWeights.map(Int.init) == vector.integerWeights, "\(vector.kind)")
                // Both round a Double sum of at most 40 terms to Float.
                #expect(result.scale == vector.scale, "\(vector.kind)")
            }
            #expect(Set(PyTorchVectors.projections.map(\.kind)) == ["binary", "ternary", "lloyd-4-1", "authors-ternary"])
        }
    }

    /// One scale for each slice: the reference's of that slice alone, bit for bit, on any number of threads. (Lengths of
    /// layers: 27 and 144 as in a first convolution, 4608 as in 512 channels of 3×3; 17 and 1 leave tails.)
    @Test(arguments: 1...8, InstructionSet.available) func slicesEqualReference(bits: Int, set: InstructionSet) throws {
        try set.limit {
            let projection = try WeightProjection(bits: bits)
            for (slices, length) in [(1, 40), (512, 27), (16, 144), (8, 4608), (7, 17), (5, 1), (2, 20_000)] {
                var w = gaussians(slices * length, seed: 9, stream: UInt64(length)).map { Float(0.05 * $0) }
                // Slices of unlike size, one of them zero.
                for i in w.indices { w[i] *= Float(i / length % 5) }
                let (scales, integerWeights) = projection.referenceProject(w, slices: slices)
                for slice in [0, slices - 1] {
                    let alone = projection.referenceProject(Array(w[slice * length..<(slice + 1) * length]))
                    #expect(
                        alone.scale == scales[slice]
                            && firstDifference(alone.integerWeights, Array(integerWeights[slice * length..<(slice + 1) * length])) == nil)
                }
                for threads in [1, 2, 3] {
                    let found = projection.project(w, slices: slices, threads: threads)
                    #expect(firstDifference(found.scales.map(\.bitPattern), scales.map(\.bitPattern)) == nil, "\(slices)×\(length)")
                    #expect(firstDifference(found.integerWeights.map(Int.init), integerWeights) == nil, "\(slices)×\(length)")
                }
            }
        }
    }

    @Test func authorsRuleIsChosenByName() throws {
        let (chosen, authors) = (try WeightProjection(bits: 2, ternary: .authors), AuthorsTernaryProjection())
        #expect(chosen.name == authors.name)
        for (name, w) in Self.cases() {
            let (scale, integerWeights) = authors.referenceProject(w)
            for found in [authors.project(w), chosen.project(w), authors.project(w, threads: 2)] {
                #expect(found.scale == scale && firstDifference(found.integerWeights.map(Int.init), integerWeights) == nil, "\(name)")
            }
        }
    }

    @Test func edgesFollowTheConventions() throws {
        for bits in 1...8 {
            let projection = try WeightProjection(bits: bits)
            #expect(projection.project([0, -0.0]) == (0, bits == 1 ? [1, 1] : [0, 0]))
            for bad in [Float.nan, .infinity, -.infinity] {
                let w: [Float] = [1, bad, 2]
                var quantized: [Float] = [0, 0, 0]
                #expect(projection.project(w, count: 3, quantized: &quantized, threads: 1).isNaN)
                #expect(quantized.allSatisfy(\.isNaN) && projection.project(w).integerWeights == [0, 0, 0])
                #expect(projection.referenceProject(w).scale.isNaN && projection.referenceProject(w).integerWeights == [0, 0, 0])
            }
        }
        let ternary = try WeightProjection(bits: 2)
        #expect(ternary.project([3, -1, 1, 1]) == (3, [1, 0, 0, 0]), "k = 1 and k = 4 both reach 9: the sparser wins")
        // Lloyd starts at 7.5/7.5 = 1: one iteration rounds the halves to even and 7.5 down to the largest code.
        let once = try WeightProjection(bits: 4, maximumIterations: 1)
        #expect(once.project([7.5, 0.5, 1.5, 2.5, -3.5]).integerWeights == [7, 0, 2, 2, -4])
    }

    @Test func impossibleSettingsAreNamed() {
        for bits in [0, 9, 32] {
            let error = #expect(throws: QuantizationError.self) { try WeightProjection(bits: bits) }
            #expect(error?.description.contains("weight bits must be 1 to 8, found \(bits)") == true)
        }
        #expect(throws: QuantizationError.iterations(0)) { try WeightProjection(bits: 3, maximumIterations: 0) }
    }
}
