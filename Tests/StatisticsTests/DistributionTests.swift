// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics
import Testing

@Suite struct DistributionTests {
    /// Textbook tables (for instance Fisher and Yates): four or five printed digits, hence the tolerances.
    @Test func tabulatedQuantiles() {
        #expect(abs(Distribution.normalQuantile(tail: 0.025) - 1.959964) < 5e-7)
        #expect(abs(Distribution.normalTail(1.959964) - 0.025) < 1e-7)
        #expect(abs(Distribution.studentQuantile(tail: 0.025, df: 20) - 2.086) < 5e-4)
        #expect(abs(Distribution.studentTail(2.086, df: 20) - 0.025) < 1e-4)
        #expect(abs(Distribution.chiSquareTail(18.307, df: 10) - 0.05) < 1e-5)
        #expect(abs(Distribution.fQuantile(tail: 0.05, df1: 3, df2: 17) - 3.20) < 5e-3)
        #expect(abs(Distribution.fTail(3.20, df1: 3, df2: 17) - 0.05) < 5e-4)
    }

    /// Where GSL's own inverse gives up: a tiny tail with many degrees of freedom; as df2 → ∞, F(1, df2) is a squared normal.
    @Test func fQuantileFarOut() {
        let z = Distribution.normalQuantile(tail: 0.5e-9)
        #expect(abs(Distribution.fQuantile(tail: 1e-9, df1: 1, df2: 1e9) / (z * z) - 1) < 1e-6)
        #expect(abs(Distribution.fTail(Distribution.fQuantile(tail: 3e-9, df1: 5, df2: 131_067), df1: 5, df2: 131_067) / 3e-9 - 1) < 1e-6)
    }

    /// 5 % and 95 % points of the noncentral χ², Patnaik (Biometrika 36, 1949), three printed decimals: the limit df2 → ∞.
    @Test(arguments: [(4.0, 4.0, 1.765, 0.95), (4, 4, 17.309, 0.05), (7, 16, 10.257, 0.95), (7, 16, 38.970, 0.05)])
    func noncentral(df: Double, lambda: Double, x: Double, tail: Double) {
        let found = Distribution.noncentralFTail(x / df, df1: df, df2: 1e8, noncentrality: lambda)
        #expect(abs(found - tail) < 1e-4)
    }

    @Test func noncentralReducesToCentral() {
        let central = Distribution.fTail(2.5, df1: 4, df2: 30)
        #expect(abs(Distribution.noncentralFTail(2.5, df1: 4, df2: 30, noncentrality: 0) - central) < 1e-13)
    }
}
