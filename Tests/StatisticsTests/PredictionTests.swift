// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics
import Testing

@Suite struct PredictionTests {
    /// Student's sleep data (Biometrika 6, 1908). The intervals come from SciPy 1.17:
    /// `m + [-1, 1]*stats.t.ppf(1 - tail/2, 9)*s*sqrt(1/10 + 1/k)`, m = 1.58, s = 1.2299503, and their ends to 1e-6.
    private let sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]

    @Test(arguments: [
        (1, 0.05, -1.338251, 4.498251), (3, 0.05, -0.251628, 3.411628), (3, 0.0001, -3.758787, 6.918787), (1, 1e-06, -13.4318, 16.5918)
    ])
    func sleepData(newCount: Int, tail: Double, low: Double, high: Double) throws {
        let found = try #require(predictionInterval(sleep, newCount: newCount, level: 1 - tail))
        #expect(abs(found.low - low) < 1e-5 && abs(found.high - high) < 1e-5)
    }

    /// The test rejects just where the interval ends.
    @Test(arguments: [1, 3]) func testAndIntervalAgree(newCount: Int) throws {
        let ends = try #require(predictionInterval(sleep, newCount: newCount, level: 0.999))
        for (value, isOutside) in [(ends.low - 1e-9, true), (ends.low + 1e-9, false), (ends.high - 1e-9, false), (ends.high + 1e-9, true)] {
            let test = try #require(predictionTest(sleep, new: Array(repeating: value, count: newCount)))
            #expect((test.pValue < 0.001) == isOutside)
        }
    }

    @Test func noSpreadAndNoNumber() {
        let same = [2.0, 2, 2]
        #expect(predictionTest(same, new: [2]) == nil && predictionTest(same, new: [2.5]) == nil)
        #expect(predictionInterval(same, newCount: 1, level: 0.95) == nil)
        #expect(predictionTest(sleep, new: [1, .nan])?.pValue == 0)
        #expect(predictionTest(sleep, new: [.infinity])?.pValue == 0)
    }

    /// Where the fit for p rises again (A² beyond 153; 309 and ∞ here), values are not normal at all.
    @Test(arguments: [800, 1500]) func oneOutlierOfManyIsNotNormal(_ count: Int) {
        let test = andersonDarlingNormality((0..<count).map { $0 == 0 ? 1e9 : Double($0 % 2) })
        #expect(test.statistic > 153 && test.pValue == 0, "\(test)")
    }

    /// Coverage: of 20,000 simulated repetitions (seed 41, n = 10, 3 new values, level 0.99), the rate of misses is within 5 standard
    /// errors of 1 %: 0.0065 to 0.0135. Leaving out either of 1/n and 1/newCount moves it beyond.
    @Test func missesAsOftenAsItSays() {
        var random = Philox(seed: 41, stream: 0)
        let repetitions = 20_000
        let misses = (0..<repetitions).count { _ in
            let old = (0..<10).map { _ in random.normal() }, new = (0..<3).map { _ in random.normal() }
            return predictionTest(old, new: new).map { $0.pValue < 0.01 } ?? true
        }
        #expect(abs(Double(misses) / Double(repetitions) - 0.01) < 5 * (0.01 * 0.99 / Double(repetitions)).squareRoot())
    }
}

@Suite struct NormalityTests {
    /// Modified A² and p from statsmodels 0.15.0 (`statsmodels.stats.diagnostic.normal_ad`; A² times its factor 1 + 0.75/n + 2.25/n²).
    @Test(arguments: [
        ([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4], 0.8605102, 0.0271826),
        ([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 1.9, 1.4], 0.2759809, 0.6577887),
        ([1.0, 8.0, 27.0, 64.0, 125.0, 216.0, 343.0, 512.0, 729.0, 1000.0, 1331.0, 1728.0], 0.7782008, 0.0433788),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 0.1519627, 0.9605615)
    ])
    func againstStatsmodels(values: [Double], statistic: Double, p: Double) {
        let found = andersonDarlingNormality(values)
        #expect(abs(found.statistic - statistic) < 1e-6 && abs(found.pValue - p) < 1e-6)
    }

    @Test func noSpreadIsNotNormal() { #expect(andersonDarlingNormality(Array(repeating: 1, count: 9)).pValue == 0) }
}
