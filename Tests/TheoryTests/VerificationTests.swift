// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics
import Testing

@Suite struct VerificationTests {
    private func claim(_ id: String) throws -> Claim { try #require(Claim.all.first { $0.id == id }) }

    /// A small run (seed 1) of every claim: the theory holds.
    @Test func theoryHolds() throws {
        let settings = VerificationSettings(samples: 1 << 19, seed: 1, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let report = try Verification(settings: settings).run(withPower: false) { _, _, _ in }
        for outcome in report.outcomes where outcome.rejected {
            Issue.record("\(outcome.claim.id): \(outcome.evidence.violations), adjusted p \(outcome.adjustedP ?? 1)")
        }
        #expect(report.outcomes.count == Claim.all.count && report.testCount > 100)
        // 2¹⁹ samples catch errors of some percent; the report's own numbers come from 64 times as many.
        for outcome in report.outcomes where outcome.claim.id.hasPrefix("coarse") { #expect((outcome.detectable ?? 1) < 0.15) }
    }

    /// Broken formulas fail: dropped terms, wrong signs and p ↔ q need few samples; factors of 1.01 are shown by
    /// `verify-theory --power` at the default sample size.
    @Test func brokenFormulasFail() throws {
        let measured = ["loss", "gradient-v", "gradient-w", "coarse-relu", "coarse-clipped", "coarse-identity", "correlation-relu", "correlation-clipped", "correlation-identity", "correlation-sign"]
        let settings = VerificationSettings(samples: 1 << 21, seed: 2, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let report = try Verification(settings: settings, claims: try measured.map(claim)).run(withPower: true) { _, _, _ in }
        let gross = report.power.filter { !$0.fault.contains("1.01") }
        #expect(gross.count > 30)
        for fault in gross where !fault.caught { Issue.record("\(fault.claim): \(fault.fault) was not caught: \(fault.evidence)") }
    }

    /// The deterministic claims that are cheap catch all of their faults.
    @Test(arguments: ["positivity", "bound", "critical-points", "identity-leaves", "sufficient-descent"])
    func brokenStatementsFail(id: String) throws {
        let settings = VerificationSettings(samples: 1 << 16, seed: 3, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let report = try Verification(settings: settings, claims: [try claim(id)]).run(withPower: true) { _, _, _ in }
        #expect(!report.outcomes[0].rejected && !report.power.isEmpty)
        for fault in report.power where !fault.caught { Issue.record("\(fault.fault) was not caught: \(fault.evidence)") }
    }

    @Test func resultsDoNotDependOnThreads() throws {
        func run(_ threads: Int) throws -> [[Double]] {
            let settings = VerificationSettings(samples: 1 << 16, seed: 4, threads: threads, dimensions: [.init(m: 3, n: 4)])
            let claims = try ["coarse-relu", "correlation-clipped", "sufficient-descent", "positivity"].map(claim)
            return try Verification(settings: settings, claims: claims).run(withPower: false) { _, _, _ in }.outcomes.map {
                $0.evidence.tests.map(\.result.pValue) + $0.evidence.tables.flatMap { $0.blocks.flatMap { $0.flatMap { $0 } } }
            }
        }
        let same = try run(1) == run(3)  // a Bool: the difference of long arrays takes minutes to print
        #expect(same)
    }

    /// One descent step is the update rule, for every proxy.
    @Test(arguments: Proxy.allCases) func descentStep(proxy: Proxy) throws {
        let point = randomPoint(m: 3, n: 4, theta: 1, length: 1.5, seed: 7)
        let next = try CoarseDescent(proxy: proxy, rate: 0.1, normalized: false).step(point)
        let (g, d) = (try point.value(proxy.coarse), try point.value(.gradientV))
        #expect(distance(next.w, zip(point.w, g).map { $0 - 0.1 * $1 }) < 1e-15)
        #expect(distance(next.v, zip(point.v, d).map { $0 - 0.1 * $1 }) < 1e-15)
        let unit = try CoarseDescent(proxy: proxy, rate: 0.1, normalized: true).step(point)
        #expect(abs(unit.normW - 1) < 1e-15 && distance(unit.u, next.u) < 1e-15)
    }
}
