// SPDX-License-Identifier: GPL-3.0-or-later
import Reporting
import Theory

/// The statements by source with their verdicts, and the proofs that are ours; every number is one of theory.csv.
extension TheoryReport {
    /// One row a statement; where it is false as printed, the counterexample and the repaired one beside it.
    var statementsSection: String {
        let rows = report.outcomes.map { outcome in
            let claim = outcome.claim
            guard let printed = claim.printed else {
                return [claim.id, claim.source, claim.statement, verdict(outcome), claim.proof.mark, "–"]
            }
            let repaired = "Counterexample: \(outcome.evidence.counterexample ?? "none found"). Holds: \(claim.statement)"
            return [claim.id, claim.source, printed, verdict(outcome), claim.proof.mark, repaired]
        }
        let sorted = rows.enumerated().sorted { ($0.element[1], $0.offset) < ($1.element[1], $1.offset) }.map(\.element)
        return
            "## Statements by source\n\n[P]: proven below; [C]: proven below in continuous time only; [M]: measured only; no mark: the "
            + "source's proof.\n\n"
            + markdownTable(header: ["claim", "source", "statement", "verdict", "proof", "where it fails, and what holds"], rows: sorted)
            + "\n"
    }

    /// One section a proof.
    var proofsSection: String {
        var text = """
            ## Proofs

            Those of the claims that are ours, marked as in the table. N = ‖v\\*‖², s = 1ᵀv\\*, c = vᵀv\\*, k = 1 − 2θ/π, a = s²/(m+1), d \
            = ∂f/∂v; for every \
            proxy E g = āu − cq p̂ with q ≥ 0, u = w/‖w‖, p̂ = Pw\\*/‖Pw\\*‖. Items are those of Documentation/METHOD.md, part 3.


            """
        var written: [String] = []
        for outcome in report.outcomes {
            guard let argument = outcome.claim.argument, !written.contains(argument) else { continue }
            written.append(argument)
            let names = report.outcomes.filter { $0.claim.argument == argument }.map { "\($0.claim.id) \($0.claim.proof.mark)" }
            text += "### \(names.joined(separator: ", "))\n\n\(argument)\n\n"
        }
        return written.isEmpty ? "" : text + distance
    }

    /// What the sufficient-descent theorem would ask of the recipe's values (METHOD.md part 2).
    private var distance: String {
        let (rho, eta, beta) = (1e-5, 0.01, 0.95)
        return """
            ### How far the recipe is from the theorem

            Sufficient descent asks for ρ > ηL. The recipe's ρ = 1e-5 and η = 0.01 satisfy it only if L < \(rho / eta), and with its \
            momentum of 0.95, where \
            w\\_q has long stood still, only if L < \(String(format: "%g", rho * (1 - beta) / eta)): far from anything that a network's \
            loss has. The theorem does \
            not explain why the recipe works; what blending does there is measured by training, not proven.


            """
    }
}
