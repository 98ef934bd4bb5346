// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics
import Testing

@Suite struct IntervalTests {
    /// Ends from sums of binomial probabilities (Python), to six decimals of a percent.
    @Test(arguments: [(5000, 49.015138, 50.984862), (9123, 90.658527, 91.777326)])
    func clopperPearsonOfTenThousand(_ successes: Int, _ low: Double, _ high: Double) {
        let interval = clopperPearson(successes: successes, trials: 10_000)
        #expect(abs(100 * interval.low - low) < 1e-6 && abs(100 * interval.high - high) < 1e-6)
    }

    /// GSL's own quantile fails for 588 of these counts.
    @Test func everyCountHasAnInterval() {
        for k in 0...10_000 {
            let (interval, p) = (clopperPearson(successes: k, trials: 10_000), Double(k) / 10_000)
            #expect(interval.low <= p && p <= interval.high && interval.high - interval.low < 0.021, "\(k)")
        }
    }

    /// 0 of n: the upper end solves (1 − p)ⁿ = a/2, so it is 1 − 0.025^(1/20).
    @Test func theEnds() {
        let none = clopperPearson(successes: 0, trials: 20)
        #expect(none.low == 0 && abs(none.high - 0.16843347098) < 1e-9)
        let all = clopperPearson(successes: 20, trials: 20)
        #expect(all.high == 1 && abs(all.low - (1 - none.high)) < 1e-12)
    }

    /// Clopper–Pearson limits printed by Newcombe (Statistics in Medicine 17, 1998, table I, method 5).
    @Test(arguments: [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0000, 0.1684), (1, 29, 0.0009, 0.1776)])
    func exactBinomial(k: Int, n: Int, low: Double, high: Double) {
        let interval = clopperPearson(successes: k, trials: n)
        #expect(abs(interval.low - low) < 5.1e-5 && abs(interval.high - high) < 5.1e-5)
    }

    /// Student's own sleep data (Biometrika 6, 1908); the interval 0.7001142 … 2.4598858 is printed in R's manual page `sleep`.
    @Test func sleepData() throws {
        let found = studentInterval([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
        #expect(abs(found.mean - 1.58) < 1e-12)
        let interval = try #require(found.interval)
        #expect(abs(interval.low - 0.7001142) < 5e-8 && abs(interval.high - 2.4598858) < 5e-8)
    }
}
