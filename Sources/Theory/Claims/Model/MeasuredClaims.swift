// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// Formulas against Monte Carlo estimates that use none of them.
extension Claim {
    /// Items 1–4: a loss or gradient, by Hotelling's T² on the mean vector at every point.
    static func formula(_ quantity: Quantity, _ statement: String, source: String) -> Claim {
        Claim(
            id: quantity.rawValue, statement: statement, source: source,
            method: "Monte Carlo mean against the formula, Hotelling T² on block means at each point", needs: [.model],
            faults: Fault.everyTerm(of: quantity)
        ) { _, measurements, formulas in
            var evidence = Evidence()
            var largest = 0.0
            for place in measurements.places {
                let expected = formulas.value(quantity, at: place.point)
                evidence.tests.append(
                    ClaimTest(label: place.label, result: try place.merged.test(quantity, expected: expected)))
                let (moments, value) = place.merged.testable(quantity, expected)
                largest = worse(largest, norm(added(moments.mean, -1, value)) / norm(value))
            }
            evidence.summary = "\(measurements.places.count) points, largest relative difference \(format(largest))"
            evidence.detectable = { alpha, power in
                try measurements.places.map { place in
                    let (moments, value) = place.merged.testable(quantity, formulas.value(quantity, at: place.point))
                    return try moments.detectableMultiple(of: value, alpha: alpha, power: power)
                }.min() ?? .nan
            }
            return evidence
        }
    }

    /// Item 5: a correlation formula, both factors measured, from independent halves.
    static func correlation(_ proxy: Proxy, _ statement: String) -> Claim {
        let quantity = proxy.correlation
        return Claim(
            id: quantity.rawValue, statement: statement, source: "METHOD.md item 5; Yin et al. ICLR 2019",
            method:
                "product of the measured coarse gradient (first half of the samples) and the measured true gradient (second half), z-test",
            needs: [.model], faults: Fault.everyTerm(of: quantity)
        ) { settings, measurements, formulas in
            var evidence = Evidence()
            var curve: [[Double]] = []
            var largest = 0.0
            var relativeErrors: [Double] = []
            for (index, place) in measurements.places.enumerated() {
                let expected = formulas.value(quantity, at: place.point)[0]
                let measured = measuredCorrelation(proxy, gradientFrom: place.first, trueFrom: place.second)
                evidence.tests.append(
                    ClaimTest(
                        label: place.label,
                        result: zTest(estimate: measured.value, standardError: measured.standardError, expected: expected)))
                largest = worse(largest, abs(measured.value - expected) / abs(expected))
                relativeErrors.append(measured.standardError / abs(expected))
                if index < Measurements.sweepCount {
                    curve.append([place.point.theta, measured.value, measured.standardError, expected])
                }
            }
            evidence.summary = "\(measurements.places.count) points, largest relative difference \(format(largest))"
            let smallest = relativeErrors.min() ?? .nan
            evidence.detectable = { alpha, power in
                smallest * (Distribution.normalQuantile(tail: alpha / 2) + Distribution.normalQuantile(tail: 1 - power))
            }
            let line = (0...180).map { step -> [Double] in
                let theta = Double.pi * Double(step) / 180
                return [theta, formulas.value(quantity, at: Measurements.point(settings, 0, theta: theta, trial: nil))[0]]
            }
            evidence.tables = [
                DataTable(name: quantity.rawValue, columns: ["theta", "measured", "standard_error", "formula"], blocks: [curve]),
                DataTable(name: quantity.rawValue + "-formula", columns: ["theta", "formula"], blocks: [line])
            ]
            return evidence
        }
    }

    /// Item 5: no coarse gradient is anti-correlated with the true one.
    static let correlationSign = Claim(
        id: "correlation-sign",
        statement: "⟨E g, ∂f/∂w⟩ ≥ 0 for all three proxies", source: "METHOD.md item 5; Yin et al. 2019, lemma on positive correlation",
        method: "the same unbiased products; one-sided z-test of ‘not negative’, formula-free", needs: [.model],
        faults: Proxy.allCases.map { proxy in
            Fault("the \(proxy.rawValue)'s correlation with the wrong sign", Formulas.theory.scaling(proxy.correlation, term: 0, by: -1))
        }
    ) { settings, measurements, formulas in
        var evidence = Evidence()
        var positive = 0
        for place in measurements.places {
            for proxy in Proxy.allCases {
                // The hypothesis is the sign that the formula has; the size is not used.
                let sign: Double = formulas.value(proxy.correlation, at: place.point)[0] >= 0 ? 1 : -1
                let measured = measuredCorrelation(proxy, gradientFrom: place.first, trueFrom: place.second)
                let z = sign * measured.value / measured.standardError
                evidence.tests.append(
                    ClaimTest(
                        label: "\(proxy.rawValue), \(place.label)",
                        result: TestResult(statistic: z, pValue: Distribution.normalTail(-z))))
                if z > Distribution.normalQuantile(tail: 1e-6) { positive += 1 }
            }
        }
        evidence.summary = "positive beyond doubt (one-sided 1e-6) in \(positive) of \(evidence.tests.count) products"
        evidence.catches = "a wrong sign of any product that is told from 0"
        return evidence
    }
}

/// Three significant digits.
func format(_ x: Double) -> String { String(format: "%.3g", x) }
