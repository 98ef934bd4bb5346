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
}
