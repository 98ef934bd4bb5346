// SPDX-License-Identifier: GPL-3.0-or-later

/// The proofs of part B, in Markdown.
enum BitsProofs {
    static let formulas = """
        Let r = ‖w‖, X = Z_iᵀu, Y = Z_iᵀw\\*, γ = cos θ, t_k = kα/r, t\\*_l = lα\\*, T = Kα/r, μ = E σ, M = E σ², C = E σσ\\*, and A = \
        (1ᵀv)² − ‖v‖², B = ‖v‖², S = (1ᵀv)(1ᵀv\\*) − c. Rows are independent, so f = ½[Aμ² + BM − 2(Sμμ\\* + cC) + A\\*μ\\*² + \
        B\\*M\\*], with μ = αΣΦ(−t_k), M = α²Σ(2k+1)Φ(−t_k), C = αα\\*ΣΣP(X > t_k, Y > t\\*_l). w and α enter μ, M, C by t_k, γ and \
        the factors α; ∂P(X > t, Y > t\\*)/∂t = −φ(t)Φ((γt − t\\*)/sin θ) and, by Plackett's identity, ∂P/∂γ = φ(t)φ((γt − t\\*)/sin \
        θ)/sin θ. A coarse gradient with row weight ψ (Xμ′ or s) is E ψ(Aμ − Sμ\\*) + B E ψσ − c E ψσ\\*; E X 1{0<X≤T} 1{X>t} = φ(t) − \
        φ(T), and with Y = γX + sin θ X_⊥ integration by parts in X and X_⊥ gives E Xμ′σ\\* and q = E X_⊥μ′σ\\* from φ and Φ at the \
        edges 0, T and t\\*_l.
        """
    static let identities = """
        σ(tx, tα) = tσ(x, α) for t > 0, so f(v/t, tw, tα) does not depend on t; its derivative at t = 1 is −vᵀ∂f/∂v + r∂f/∂r + α∂f/∂α \
        = 0. The a.e. derivative in α is the code ceil(x/α) clamped, and α times it is σ: α E g_α^{a.e.} = E Σ v_iσ_i(y − y\\*) = \
        vᵀ∂f/∂v, which vanishes with v optimal. LSQ's derivative is the code less (x/α)1{0 < x ≤ Kα}, so E g_lsq = E g_α^{a.e.} − \
        (r/α)E g_clip·u; subtract ∂f/∂α = E g_α^{a.e.} − (r/α)∂f/∂r.
        """
    static let network = """
        Let h be the activation's output and g the loss's gradient in h. A linear layer followed by batch norm (ε = 0) gives the same \
        output for th, t > 0, and so does pooling before it; so the derivative of the loss along h is 0: Σgh = 0 in every mini-batch. \
        The a.e. α-gradient is Σg·code = Σgh/α. With ε > 0 the identity fails by ε over the variances. A last linear layer, or a \
        shortcut that joins h to another branch, has no such invariance.
        """
    static let angular = """
        The p̂-component of E g is −c E[μ′(X)X_⊥σ\\*(γX + sin θ X_⊥)] (other rows are independent of X_⊥). Given X, σ\\* does not fall \
        in X_⊥, so E[X_⊥σ\\*] ≥ 0, and μ′ ≥ 0. f depends on θ by −cC only, ∂f/∂w·p̂ = −(c sin θ/r)∂C/∂γ, and ∂C/∂γ ≥ 0 for \
        nondecreasing σ, σ\\* (Plackett). Without radial parts the inner product is their product, ≥ 0. *Step*: w turns by δ, \
        tan δ = η|c|q/r'. f is quadratic in v with curvature at most λ; as in step-size, η|c|q ≤ 2r' sin θ keeps an overshoot within θ, \
        and with |ΔC| ≤ max|dC/dθ| η|c|q/r', Δf ≤ −η(1 − ηλ/2)‖d‖² − |c||ΔC| + η‖d‖‖v\\*‖|ΔC|, whose discriminant in ‖d‖ is the last \
        condition.
        """
    static let fullPositivity = """
        At c = 0 the p̂-components vanish. With x = Aμ − Sμ\\*, E g·u = d₁x + e₁B and ∂f/∂r = μ_rx + ½M_rB, all of d₁, e₁, μ_r, M_r \
        positive for b ≥ 2: they have opposite signs for x between −(e₁/d₁)B and −(M_r/2μ_r)B, which differ in general. c = 0 leaves \
        the length of v\\* ⊥ v free, and with it x. (With one bit ∂f/∂r = 0, and nothing can oppose.)
        """
    static let stepSizeSign = """
        At m = 1, v\\* = 1: ∂f/∂α = v(½M_αv − C_α) changes its sign at v = 2C_α/M_α, a rule's E g_α = v(v E sσ − E sσ\\*) at v = E \
        sσ\\*/E sσ. Where these differ, a v between them has opposite signs; the printed point's v is the optimal one, C/M. For the \
        a.e. rule the second is C/M itself. That the other rules have wrong signs with v optimal too was found by the sweep.
        """
}
