// SPDX-License-Identifier: GPL-3.0-or-later

/// The proofs of parts C and D, in Markdown.
enum DescentProofs {
    static let threshold = """
        Let N > 2a. At v̄(θ) beside θ = π, c = kN + (1−k)a < 0, s(s − 1ᵀv̄) = (1−k)a ≤ 2a and k ≤ −2a/N: the start lies in R₋ of \
        theorem-2. If N ≤ 2a, φ of proposition-1 falls strictly with k on (−1, 1), so there is no saddle, c > 0 along v̄, and f, which \
        never rises, cannot return to θ = π; the limit is the global minimum.
        """
    static let sharp = """
        w_f = (0, 1) is as far from (½, ½) as from (−½, ½), and no point is nearer; the bound holds for any choice of a nearest point. \
        Let w_q = (½, ½). The step adds (−ρ/2, ρ/2) to (1−ρ)w_f + ρw_q = (ρ/2, 1 − ρ/2), so w_f⁺ = w_f; let w_q⁺ = (−½, ½). Then Δ = \
        (−1, 0), ⟨g, Δ⟩ = −ρ/(2η) and Δf = −ρ/(2η) + L/2: equality.
        """
    static let weightDecay = """
        *Blended*: w_f⁺ = (1−ηλ)w_b − ηg with w_b = (1−ρ)w_f + ρw_q, so w_q − w_f⁺ = (1−ηλ)(1−ρ)(w_q − w_f) + η(g + λw_q). As w_q⁺ is \
        nearest to w_f⁺ and w_q to w_f, ‖Δ‖² + 2⟨Δ, w_q − w_f⁺⟩ ≤ 0 and 2⟨Δ, w_q − w_f⟩ ≥ −‖Δ‖²; together, as (1−ηλ)(1−ρ) ≥ 0, \
        [ηλ + ρ(1−ηλ)]‖Δ‖² + 2η⟨Δ, g + λw_q⟩ ≤ 0. The gradient of F is g + λw_q, with the constant L + λ, so ΔF ≤ −½[λ + ρ(1−ηλ)/η \
        − L − λ]‖Δ‖². *Of w_q*: w_q − w_f⁺ = (1−ρ)(w_q − w_f) + η(g + λw_q). *Unblended*: (1−ρ−ηλ)(w_q − w_f) + η(g + λw_q), whose \
        first factor must not be negative.
        """
    static let momentum = """
        The two projections give ⟨d, Δ⟩ ≤ −(ρ/2η)‖Δ‖² for whatever vector d the step uses, so with the buffer d, Δf ≤ ⟨g, Δ⟩ + ½L‖Δ‖² \
        ≤ −½(ρ/η − L)‖Δ‖² + ⟨g − d, Δ⟩. At n = 1, Q = R the blend is void and the heavy ball on w²/2 overshoots its minimum, so no ρ \
        helps. If w_q stood still for much longer than 1/(1−β) steps, d = g/(1−β), and the condition becomes ρ ≥ ηL/(1−β).
        """
    static let inexact = """
        A projection whose squared distance is ε² above the smallest gives ‖Δ‖² + 2⟨Δ, w_q − w_f⁺⟩ ≤ ε₊² and 2⟨Δ, w_q − w_f⟩ ≥ −‖Δ‖² − \
        ε²; with w_q − w_f⁺ = (1−ρ)(w_q − w_f) + ηg, ρ‖Δ‖² + 2η⟨Δ, g⟩ ≤ ε₊² + (1−ρ)ε².
        """
}
