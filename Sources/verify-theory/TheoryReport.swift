// SPDX-License-Identifier: GPL-3.0-or-later
import BuildFacts
import Theory
import Files
import Foundation
import Reporting

/// The report of a run as text and tables.
struct TheoryReport {
    let verification: Verification
    let report: Verification.Report
    let seconds: Double
    /// Of all threads together, power checks included.
    let processorSeconds: Double
    let power: Bool

    private var settings: VerificationSettings { verification.settings }
    private var rejected: [Outcome] { report.outcomes.filter(\.rejected) }
    private var missed: [PowerOutcome] { report.power.filter { !$0.caught } }
    var failed: Bool { !rejected.isEmpty || !missed.isEmpty }

    private func three(_ x: Double?) -> String { x.map { String(format: "%.3g", $0) } ?? "–" }
    private func detects(_ outcome: Outcome) -> String { outcome.detectable.map { three($0) } ?? outcome.evidence.catches ?? "–" }
    func verdict(_ outcome: Outcome) -> String { outcome.rejected ? "REJECTED" : outcome.claim.verdict.rawValue }

    /// The command that repeats the run, all its defaults spelt out.
    private var command: String {
        var words = ["swift", "run", "-c", "release", "verify-theory", "--samples", "\(settings.samples)", "--seed", "\(settings.seed)"]
        words += ["--threads", "\(settings.threads)", "--dimensions", settings.dimensions.map(\.description).joined(separator: ",")]
        words += ["--level", "\(settings.level)"]
        if verification.claims.count < Claim.all.count { words += ["--claims", verification.claims.map(\.id).joined(separator: ",")] }
        return shellCommand(words + (power ? ["--power"] : []))
    }

    /// Where every row comes from.
    private static let provenance = ["seed", "commit", "how"]
    private var provenance: [String] { ["\(settings.seed)", BuildFacts.commit, command] }

    private func table(_ header: [String], _ rows: [[String]]) -> CSVTable {
        let provenance = provenance
        return CSVTable(header: header + Self.provenance, rows: rows.map { $0 + provenance })
    }

    /// Everything, one row a claim.
    var claims: CSVTable {
        table(
            [
                "claim", "statement", "source", "method", "tests", "smallest_adjusted_p", "detects", "verdict", "seconds", "measured",
                "group", "as_printed", "counterexample", "proof"
            ],
            report.outcomes.map { outcome in
                [
                    outcome.claim.id, outcome.claim.statement, outcome.claim.source, outcome.claim.method,
                    "\(outcome.evidence.tests.count)", outcome.adjustedP.map { three($0) } ?? "",
                    detects(outcome), verdict(outcome), String(format: "%.3f", outcome.seconds),
                    ([outcome.evidence.summary] + outcome.evidence.violations).joined(separator: "; "),
                    outcome.claim.group.rawValue, outcome.claim.printed ?? "", outcome.evidence.counterexample ?? "",
                    outcome.claim.proof.rawValue
                ]
            })
    }

    /// Every single test.
    var tests: CSVTable {
        table(
            ["claim", "test", "statistic", "p"],
            report.outcomes.flatMap { outcome in
                outcome.evidence.tests.map { [outcome.claim.id, $0.label, String($0.result.statistic), String($0.result.pValue)] }
            })
    }

    /// Every deliberate fault.
    var faults: CSVTable {
        table(
            ["claim", "fault", "caught", "evidence"],
            report.power.map { [$0.claim, $0.fault, $0.caught ? "yes" : "NO", $0.evidence] })
    }

    var console: String {
        let rows = report.outcomes.map { outcome in
            [
                outcome.claim.id, "\(outcome.evidence.tests.count)", three(outcome.adjustedP), detects(outcome), verdict(outcome),
                String(format: "%.2f", outcome.seconds)
            ]
        }
        let table = markdownTable(header: ["claim", "tests", "adjusted p", "detects", "verdict", "seconds"], rows: rows)
        var lines = [table.replacingOccurrences(of: "\\", with: "")]  // a terminal shows Markdown's escapes
        for outcome in rejected {
            lines.append("\(outcome.claim.id) REJECTED: " + explanation(outcome))
        }
        if power {
            lines.append("power: \(report.power.count - missed.count) of \(report.power.count) deliberate faults rejected")
            for fault in missed { lines.append("NOT CAUGHT: \(fault.claim): \(fault.fault) (\(fault.evidence))") }
        }
        lines.append(sentence)
        return lines.joined(separator: "\n")
    }

    private func explanation(_ outcome: Outcome) -> String {
        let worst = outcome.evidence.tests.min { $0.result.pValue < $1.result.pValue }
        return outcome.evidence.violations.first
            ?? worst.map { "\($0.label): statistic \(three($0.result.statistic)), p = \(three($0.result.pValue))" } ?? ""
    }

    private var sentence: String {
        String(
            format:
                "%d of %d claims hold, %d of them refuting a statement; %d tests, probability of any false alarm %g (Holm); %.3g samples "
                + "measured in %.1f s; %.1f s in all%@ (%.1f s of processor time), %d threads, seed %@",
            report.outcomes.count - rejected.count, report.outcomes.count,
            report.outcomes.count { $0.claim.printed != nil && !$0.rejected }, report.testCount, settings.level,
            Double(report.measuredSamples), report.measurementSeconds, seconds - report.powerSeconds,
            power ? String(format: ", besides %.1f s for the power checks", report.powerSeconds) : "", processorSeconds, settings.threads,
            "\(settings.seed)")
    }

    /// theory.md.
    func markdown(figures: [(name: String, caption: String)]) -> String {
        var text = """
            # The theory of coarse gradient descent, checked claim by claim

            \(sentence).

            Machine: \(SystemFacts.processor()); \(settings.samples) samples at each point; \
            dimensions m×n: \(settings.dimensions.map(\.description).joined(separator: ", ")).
            Command: `\(command)`

            Measured claims compare a formula with Monte Carlo means that use no formula (every number of Z is drawn; the true gradient \
            is measured by conditioning on the kinks). "Detects" is the smallest relative error of the formula that the run catches with \
            \(100 * Verification.power) % probability at its error level, at the best of the claim's points; where it is words, the claim \
            is an inequality or \
            an exact statement, which fails at the first counterexample of that size. "Adjusted p" is the smallest of the claim's p-values \
            after \
            Holm's correction over all \(report.testCount) tests of the run: a value below \(settings.level) rejects.


            """
        text += markdownTable(
            header: ["claim", "statement", "tests", "adjusted p", "detects", "verdict", "s"],
            rows: report.outcomes.map { outcome in
                [
                    outcome.claim.id, outcome.claim.statement, "\(outcome.evidence.tests.count)", three(outcome.adjustedP),
                    detects(outcome),
                    verdict(outcome), String(format: "%.2f", outcome.seconds)
                ]
            })
        text += "\n" + statementsSection
        text +=
            "The shared measurement pass took \(String(format: "%.1f", report.measurementSeconds)) s besides.\n\n## What was measured\n\n"
        for outcome in report.outcomes {
            text += "**\(outcome.claim.id)** (\(outcome.claim.source)). \(outcome.claim.method). Found: \(outcome.evidence.summary)."
            if let counterexample = outcome.evidence.counterexample { text += " As printed it is false: \(counterexample)." }
            if outcome.rejected { text += " **Rejected**: \(explanation(outcome))." }
            text += "\n\n"
        }
        text += proofsSection
        text += powerSection
        text += "## Figures\n\n" + figures.map { "![\($0.caption)](figures/\($0.name).svg)\n\n\($0.caption).\n\n" }.joined()
        return text
    }

    private var powerSection: String {
        guard power else {
            let faults = verification.claims.reduce(0) { $0 + $1.faults.count }
            return "## Power\n\n`verify-theory --power` breaks the formulas in \(faults) ways and shows each one rejected.\n\n"
        }
        return
            "## Power\n\nEach fault was put into one formula and the claim checked again with the same samples; it counts as caught only "
            + "at Bonferroni's level, which is stricter than Holm's. Caught: \(report.power.count - missed.count) of "
            + "\(report.power.count).\n\n"
            + markdownTable(
                header: ["claim", "fault", "caught", "evidence"],
                rows: report.power.map { [$0.claim, $0.fault, $0.caught ? "yes" : "NO", $0.evidence] }) + "\n"
    }
}
