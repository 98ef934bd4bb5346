// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics
import Testing

@Suite struct VerificationTests {
    private func claim(_ id: String) throws -> Claim { try #require(Claim.all.first { $0.id == id }) }

    /// Deterministic claims, or with a sample size of their own, that are cheap enough to see their faults caught.
    private static let cheap = [
        "positivity", "bound", "critical-points", "identity-leaves", "sufficient-descent", "proposition-1", "lemma-3", "lemma-5", "lemma-7",
        "step-size", "norm-law", "norm-start", "lemma-10", "figure-1", "bits-identities", "network-law", "angular-theorem",
        "full-positivity", "alpha-sign", "threshold", "blending-sharp", "blending-weight-decay", "blending-momentum", "blending-inexact"
    ]

    /// A small run (seed 1) of every other claim: the theory holds.
    @Test func theoryHolds() throws {
        let settings = VerificationSettings(samples: 1 << 19, seed: 1, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let claims = Claim.all.filter { !Self.cheap.contains($0.id) }
        let report = try Verification(settings: settings, claims: claims).run(withPower: false) { _, _, _ in }
        for outcome in report.outcomes where outcome.rejected {
            Issue.record("\(outcome.claim.id): \(outcome.evidence.violations), adjusted p \(outcome.adjustedP ?? 1)")
        }
        #expect(report.outcomes.count == claims.count && claims.count + Self.cheap.count == Claim.all.count && report.testCount > 100)
        // 2¹⁹ samples catch errors of some percent; the report's own numbers come from 64 times as many.
        for outcome in report.outcomes where outcome.claim.id.hasPrefix("coarse") { #expect((outcome.detectable ?? 1) < 0.15) }
    }

    /// Broken formulas fail: dropped terms, wrong signs and p ↔ q need few samples; factors of 1.01 are shown by
    /// `verify-theory --power` at the default sample size.
    @Test func brokenFormulasFail() throws {
        let measured = [
            "loss", "gradient-v", "gradient-w", "coarse-relu", "coarse-clipped", "coarse-identity", "correlation-relu",
            "correlation-clipped", "correlation-identity", "correlation-sign"
        ]
        let settings = VerificationSettings(samples: 1 << 21, seed: 2, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let report = try Verification(settings: settings, claims: try measured.map(claim)).run(withPower: true) { _, _, _ in }
        let rows = try Verification(
            settings: VerificationSettings(samples: 1 << 23, seed: 2, threads: 2), claims: try ["remark-2", "bits-formulas"].map(claim)
        ).run(withPower: true) { _, _, _ in }
        for fault in rows.power where !fault.caught { Issue.record("\(fault.claim): \(fault.fault) was not caught: \(fault.evidence)") }
        let gross = report.power.filter { !$0.fault.contains("1.01") }
        #expect(gross.count > 30)
        for fault in gross where !fault.caught { Issue.record("\(fault.claim): \(fault.fault) was not caught: \(fault.evidence)") }
    }

    /// The cheap claims hold and catch all of their faults.
    @Test(arguments: cheap)
    func brokenStatementsFail(id: String) throws {
        let settings = VerificationSettings(samples: 1 << 16, seed: 3, threads: 2, dimensions: [.init(m: 4, n: 6)])
        let report = try Verification(settings: settings, claims: [try claim(id)]).run(withPower: true) { _, _, _ in }
        #expect(!report.outcomes[0].rejected && !report.power.isEmpty)
        for fault in report.power where !fault.caught { Issue.record("\(fault.fault) was not caught: \(fault.evidence)") }
    }

    /// A statement called false must be refuted again: not finding its counterexample rejects the claim, finding it does not.
    @Test(arguments: [(nil, true), ("v = 1", false)] as [(String?, Bool)])
    func refutationsMustBeFound(counterexample: String?, rejected: Bool) throws {
        let claim = Claim(id: "x", statement: "repaired", printed: "false", source: "", method: "") { _, _, _ in
            var evidence = Evidence()
            evidence.counterexample = counterexample
            return evidence
        }
        #expect(claim.verdict == .falseAsPrinted)
        let report = try Verification(settings: VerificationSettings(threads: 1), claims: [claim]).run(withPower: false) { _, _, _ in }
        #expect(report.outcomes[0].rejected == rejected && report.outcomes[0].evidence.violations.isEmpty != rejected)
    }

    @Test func resultsDoNotDependOnThreads() throws {
        var texts: [[String]] = []
        func run(_ threads: Int) throws -> [[Double]] {
            let settings = VerificationSettings(samples: 1 << 16, seed: 4, threads: threads, dimensions: [.init(m: 3, n: 4)])
            let claims = try [
                "coarse-relu", "correlation-clipped", "sufficient-descent", "positivity", "remark-2", "bits-formulas", "alpha-sign",
                "norm-law", "blending-weight-decay"
            ].map(claim)
            let outcomes = try Verification(settings: settings, claims: claims).run(withPower: false) { _, _, _ in }.outcomes
            texts.append(outcomes.map(\.evidence.summary))
            return outcomes.map {
                $0.evidence.tests.map(\.result.pValue) + $0.evidence.tables.flatMap { $0.blocks.flatMap { $0.flatMap { $0 } } }
            }
        }
        let same = try run(1) == run(3) && texts[0] == texts[1]  // a Bool: the difference of long arrays takes minutes to print
        #expect(same)
    }

    /// One descent step is the update rule, for every proxy.
    @Test(arguments: Proxy.allCases) func descentStep(proxy: Proxy) throws {
        let point = randomPoint(m: 3, n: 4, theta: 1, length: 1.5, seed: 7)
        let next = CoarseDescent(proxy: proxy, rate: 0.1, normalized: false).step(point)
        let (g, d) = (point.value(proxy.coarse), point.value(.gradientV))
        #expect(distance(next.w, zip(point.w, g).map { $0 - 0.1 * $1 }) < 1e-15)
        #expect(distance(next.v, zip(point.v, d).map { $0 - 0.1 * $1 }) < 1e-15)
        let unit = CoarseDescent(proxy: proxy, rate: 0.1, normalized: true).step(point)
        #expect(abs(unit.normW - 1) < 1e-15 && distance(unit.u, next.u) < 1e-15)
    }
}
