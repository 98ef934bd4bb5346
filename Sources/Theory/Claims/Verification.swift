// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Foundation
import Statistics

extension Claim {
    /// Every claim, in the order of the report.
    public static let all: [Claim] =
        [
            formula(.loss, "f = ⅛[vᵀ(I+J)v − 2vᵀ((1 − 2θ/π)I + J)v* + v*ᵀ(I+J)v*]", source: "METHOD.md item 1; Yin et al. 2019"),
            formula(.gradientV, "∂f/∂v = ¼(I+J)v − ¼((1 − 2θ/π)I + J)v*", source: "METHOD.md item 2; Yin et al. 2019"),
            formula(.gradientW, "∂f/∂w = −vᵀv*/(2π‖w‖) Pw*/‖Pw*‖", source: "METHOD.md items 3 and 9; Yin et al. 2019"),
            formula(.coarseReLU, "ReLU proxy: E g = h/(2√(2π)) u − cos(θ/2) vᵀv*/√(2π) e", source: "METHOD.md item 4; Yin et al. 2019"),
            formula(
                .coarseClipped, "clipped ReLU proxy: E g = ½p(0,w)h u − vᵀv* q/sin(θ/2) e − vᵀv*(p − q cot(θ/2)) u",
                source: "METHOD.md item 4; Yin et al. ICLR 2019"),
            formula(.coarseIdentity, "identity proxy: E g = (‖v‖² u − vᵀv* w*)/√(2π)", source: "METHOD.md item 4; Yin et al. ICLR 2019"),
            correlation(.relu, "ReLU: ⟨E g, ∂f/∂w⟩ = sin θ (vᵀv*)²/(2(2π)^{3/2}‖w‖)"),
            correlation(.clipped, "clipped ReLU: ⟨E g, ∂f/∂w⟩ = q(θ,w)(vᵀv*)²/(2π‖w‖)"),
            correlation(.identity, "identity: ⟨E g, ∂f/∂w⟩ = sin θ (vᵀv*)²/((2π)^{3/2}‖w‖)"),
            correlationSign, positivity, bound, criticalPoints
        ] + literature + bits + [
            normalizedDescent, collapse, identityLeaves, miniBatch, threshold, shares, sufficientDescent, withoutBlending, blendingSharp,
            weightDecay, momentum, inexact
        ]

    /// b bits and a learned α.
    static let bits: [Claim] = [bitsFormulas, bitsIdentities, networkLaw, angularTheorem, fullPositivity, stepSizeSign]

    /// The papers' statements on trial.
    static let literature: [Claim] = [
        proposition1, lemma3, lemma5, lemma7, stepSize, uniformStep, normLaw, normStart, normThreshold, theorem2, lemma10, identityCure,
        remark2, figure1
    ]
}

/// The judged result of a claim.
public struct Outcome: Sendable {
    public let claim: Claim
    public let evidence: Evidence
    public let seconds: Double
    /// The smallest Holm-adjusted p-value of its tests; nil without tests.
    public let adjustedP: Double?
    /// Rejected by a test or contradicted outright; also where a statement called false was not refuted again.
    public let rejected: Bool
    /// Smallest relative error of the formula caught with 99.9 % probability at the run's level.
    public let detectable: Double?
}

/// A broken formula and whether the run's tests rejected it.
public struct PowerOutcome: Sendable {
    public let claim: String
    public let fault: String
    public let caught: Bool
    /// The smallest Bonferroni-adjusted p-value, or the first contradiction.
    public let evidence: String
}

/// A run over claims with one family-wise error level.
public struct Verification: Sendable {
    public let settings: VerificationSettings
    public let claims: [Claim]
    public static let power = 0.999

    public init(settings: VerificationSettings, claims: [Claim] = Claim.all) { (self.settings, self.claims) = (settings, claims) }

    public struct Report: Sendable {
        public let outcomes: [Outcome]
        public let power: [PowerOutcome]
        /// Tests in the family of Holm's procedure.
        public let testCount: Int
        public let measurementSeconds: Double
        /// Time of the power checks, 0 without them.
        public let powerSeconds: Double
        /// Samples over all points.
        public let measuredSamples: Int
    }

    /// Runs the measurements and every claim, then the power checks when asked for; other ranks than the first do the measurements alone.
    /// - Parameters:
    ///   - withPower: also breaks every claim on purpose.
    ///   - progress: steps done, steps in all, and what comes next.
    /// - Throws: `StatisticsError` when a check cannot be carried out.
    public func run(withPower: Bool, progress: (_ done: Int, _ total: Int, _ next: String) -> Void) throws -> Report {
        let points = claims.contains { $0.needs.contains(.model) } ? Measurements.points(settings) : []
        let faults = withPower ? claims.flatMap { claim in claim.faults.map { (claim, $0) } } : []
        let needs = claims.reduce(into: Set<Measurements.Part>()) { $0.formUnion($1.needs) }.subtracting([.model])
        let total = points.count + needs.count + claims.count + faults.count
        var done = 0
        func advance(_ next: String) {
            progress(done, total, next)
            done += 1
        }
        var measurements = Measurements()
        let measurementSeconds = try seconds {
            for (index, place) in points.enumerated() {
                advance("measuring \(place.label)")
                measurements.places.append(
                    try Measurements.measure(settings, label: place.label, point: place.point, experiment: Purpose.points.experiment(index))
                )
            }
            if needs.contains(.rows) {
                advance("measuring other laws of the rows")
                measurements.rows = try Measurements.rows(settings)
            }
            if needs.contains(.bits) {
                advance("measuring b bits")
                measurements.levels = try Measurements.levels(settings)
            }
        }.seconds
        guard settings.collective.isFirst else {
            return Report(
                outcomes: [], power: [], testCount: 0, measurementSeconds: measurementSeconds, powerSeconds: 0,
                measuredSamples: measurements.samples)
        }
        let checked = try claims.map { claim in
            advance(claim.id)
            return try seconds { try claim.check(settings, measurements, .theory) }
        }
        let outcomes = try judged(checked)
        let tests = checked.reduce(0) { $0 + $1.value.tests.count }
        let power = try seconds {
            try faults.map { claim, fault in
                advance("\(claim.id): \(fault.name)")
                return judged(claim, fault, try claim.check(settings, measurements, fault.formulas), tests: tests)
            }
        }
        progress(total, total, "done")
        return Report(
            outcomes: outcomes, power: power.value, testCount: tests, measurementSeconds: measurementSeconds, powerSeconds: power.seconds,
            measuredSamples: measurements.samples)
    }

    /// Holm over all tests of the run.
    private func judged(_ checked: [(value: Evidence, seconds: Double)]) throws -> [Outcome] {
        let tests = checked.flatMap { $0.value.tests.map(\.result.pValue) }
        var adjusted = holmAdjusted(tests)[...]
        let alpha = settings.level / Double(max(1, tests.count))
        return try zip(claims, checked).map { claim, result in
            let own = adjusted.prefix(result.value.tests.count)
            adjusted = adjusted.dropFirst(own.count)
            // A statistic that is not a number has no place in a passing run.
            let rejected = own.contains { !($0 >= settings.level) } || !contradictions(claim, result.value).isEmpty
            return Outcome(
                claim: claim, evidence: completed(claim, result.value), seconds: result.seconds, adjustedP: own.min(), rejected: rejected,
                detectable: try result.value.detectable?(alpha, Self.power))
        }
    }

    /// The violations, and a refutation that is not found any more.
    private func contradictions(_ claim: Claim, _ evidence: Evidence) -> [String] {
        evidence.violations
            + (claim.printed != nil && evidence.counterexample == nil ? ["no counterexample to the statement as printed was found"] : [])
    }

    private func completed(_ claim: Claim, _ evidence: Evidence) -> Evidence {
        var evidence = evidence
        evidence.violations = contradictions(claim, evidence)
        return evidence
    }

    /// A fault counts as caught only at Bonferroni's level, which is stricter than Holm's.
    private func judged(_ claim: Claim, _ fault: Fault, _ evidence: Evidence, tests: Int) -> PowerOutcome {
        let smallest = evidence.tests.map(\.result.pValue).min().map { min(1, $0 * Double(tests)) }
        if let first = contradictions(claim, evidence).first {
            return PowerOutcome(claim: claim.id, fault: fault.name, caught: true, evidence: first)
        }
        return PowerOutcome(
            claim: claim.id, fault: fault.name, caught: (smallest ?? 1) < settings.level,
            evidence: smallest.map { "adjusted p = \(format($0))" } ?? "no contradiction found")
    }
}

private func seconds<Value>(_ work: () throws -> Value) rethrows -> (value: Value, seconds: Double) {
    let start = DispatchTime.now().uptimeNanoseconds
    let value = try work()
    return (value, Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)
}
