// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics
import Testing

@Suite struct TestsTests {
    /// Johnson and Wichern, Applied Multivariate Statistical Analysis, example 5.2 (sweat data, n = 20, d = 3): T² = 9.74, and
    /// the 10 % critical value is 8.18. The printed covariance has three decimals, hence 0.01.
    @Test func hotellingSweatData() throws {
        let s = Matrix(rows: 3, columns: 3, entries: [2.879, 10.010, -1.810, 10.010, 199.788, -5.640, -1.810, -5.640, 3.628])
        let sample = SampleMoments(count: 20, mean: [4.640, 45.400, 9.965], covariance: s)
        let result = try hotellingTest(sample, expected: [4, 50, 10])
        #expect(abs(result.statistic - 9.74) < 0.01)
        #expect(result.pValue < 0.1 && result.pValue > 0.05)
        #expect(abs(Distribution.fQuantile(tail: 0.1, df1: 3, df2: 17) * 19 * 3 / 17 - 8.18) < 0.01)
    }

    /// With one dimension T² is the square of Student's t.
    @Test func hotellingInOneDimensionIsStudents() throws {
        let sample = SampleMoments(count: 10, mean: [1.58], covariance: Matrix(rows: 1, columns: 1, entries: [1.512889]))
        let t = 1.58 / (1.512889 / 10).squareRoot()
        let result = try hotellingTest(sample, expected: [0])
        #expect(abs(result.statistic - t * t) < 1e-12)
        #expect(abs(result.pValue - 2 * Distribution.studentTail(t, df: 9)) < 1e-12)
    }

    /// Student's own sleep data as R documents it (datasets::sleep): t = −4.0621 on 9 degrees of freedom, p = 0.002833.
    @Test func pairedTOfTheSleepData() throws {
        let result = try #require(tTest([-1.2, -2.4, -1.3, -1.3, 0, -1, -1.8, -0.8, -4.6, -1.4]))
        #expect(abs(result.statistic + 4.0621) < 5e-5 && abs(result.pValue - 0.002833) < 5e-7)
        #expect(tTest([2, 3], expected: 2.5) == TestResult(statistic: 0, pValue: 1))
    }

    /// Equal values, also up to rounding, are no measure of their own spread: neither p = 0 nor p = 1.
    @Test func noSpreadIsNoTest() {
        let third = 100.0 / 3
        for values in [[2, 2], [0, 0], [0.1 + 0.2, 0.3, 0.3], [third, third * (1 + 1e-15), third]] {
            #expect(tTest(values) == nil && studentInterval(values).interval == nil && !haveSpread(values), "\(values)")
        }
        #expect(haveSpread([0, 1e-300]) && haveSpread([40, 40.0001]))
    }

    /// A test that could not be computed neither passes nor hides another.
    @Test func holmOfNoNumber() {
        #expect(holmAdjusted([.nan, 0]) == [0, 0])
        #expect(holmAdjusted([0.5, .nan, 1e-20]) == [0.5, 0, 2e-20])
    }

    @Test func singularCovarianceIsRefused() {
        let singular = SampleMoments(count: 50, mean: [0, 0], covariance: Matrix(rows: 2, columns: 2, entries: [1, 1, 1, 1]))
        #expect(throws: StatisticsError.self) { try hotellingTest(singular, expected: [0, 0]) }
        let few = SampleMoments(count: 2, mean: [0, 0], covariance: Matrix(rows: 2, columns: 2, entries: [1, 0, 0, 1]))
        #expect(throws: StatisticsError.self) { try hotellingTest(few, expected: [0, 0]) }
    }

    /// The promised power is the real one: 4000 simulated samples (K = 40, d = 3) shifted by the detectable multiple.
    /// Bounds: 5 standard deviations of the binomial (a false alarm in 2 million); and the level itself without a shift.
    @Test func powerIsAsPromised() throws {
        var stream = Philox(seed: 11, stream: 0)
        let direction = [1.0, -0.5, 2.0], alpha = 0.02, power = 0.9, runs = 4000
        let identity = Matrix(rows: 3, columns: 3) { $0 == $1 ? 1 : 0 }
        let epsilon = try SampleMoments(count: 40, mean: [0, 0, 0], covariance: identity)
            .detectableMultiple(of: direction, alpha: alpha, power: power)
        for (shift, expected) in [(epsilon, power), (0, alpha)] {
            var rejected = 0
            for _ in 0..<runs {
                let rows = (0..<40).map { _ in (0..<3).map { shift * direction[$0] + stream.normal() } }
                let mean = (0..<3).map { j in rows.reduce(0) { $0 + $1[j] } / 40 }
                let covariance = Matrix(rows: 3, columns: 3) { i, j in
                    rows.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / 39
                }
                if try hotellingTest(SampleMoments(count: 40, mean: mean, covariance: covariance), expected: [0, 0, 0]).pValue < alpha {
                    rejected += 1
                }
            }
            let spread = (Double(runs) * expected * (1 - expected)).squareRoot()
            #expect(abs(Double(rejected) - Double(runs) * expected) < 5 * spread)
        }
    }

    /// The worked example of the encyclopaedia's article on the Holm–Bonferroni method: p = 0.01, 0.04, 0.03, 0.005.
    @Test func holm() {
        let adjusted = holmAdjusted([0.01, 0.04, 0.03, 0.005])
        for (found, expected) in zip(adjusted, [0.03, 0.06, 0.06, 0.02]) { #expect(abs(found - expected) < 1e-15) }
        #expect(holmAdjusted([0.9, 0.8]) == [1, 1])
        #expect(holmAdjusted([]).isEmpty)
    }

    /// Mendel's peas 315, 108, 101, 32 against 9 : 3 : 3 : 1: χ² = 0.470, P about 0.93 (Fisher, Annals of Science 1936).
    @Test func chiSquareOfMendelsPeas() {
        let result = chiSquareTest(observed: [315, 108, 101, 32], expected: [9, 3, 3, 1].map { $0 * 556 / 16 })
        #expect(abs(result.statistic - 0.470) < 5e-4)
        #expect(abs(result.pValue - 0.925) < 1e-3)
    }

    /// By hand: two-sided binomial(9, ½) at 1 is 2 (1 + 9)/2⁹.
    @Test func mcNemar() {
        #expect(abs(mcNemarExact(onlyFirst: 1, onlySecond: 8).pValue - 20.0 / 512) < 1e-14)
        #expect(mcNemarExact(onlyFirst: 8, onlySecond: 1).pValue == mcNemarExact(onlyFirst: 1, onlySecond: 8).pValue)
        #expect(mcNemarExact(onlyFirst: 5, onlySecond: 5).pValue == 1)
        #expect(mcNemarExact(onlyFirst: 0, onlySecond: 0).pValue == 1)
    }

    @Test func zTestIsTwoSided() {
        #expect(abs(zTest(estimate: 1, standardError: 0.5, expected: 1 - 0.5 * 1.959964).pValue - 0.05) < 1e-6)
        #expect(abs(zTest(estimate: 1, standardError: 0.5, expected: 1 + 0.5 * 1.959964).pValue - 0.05) < 1e-6)
    }
}
