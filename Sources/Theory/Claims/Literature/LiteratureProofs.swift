// SPDX-License-Identifier: GPL-3.0-or-later

/// The proofs of part A that are ours, in Markdown.
enum LiteratureProofs {
    static let proposition1 = """
        For fixed θ, f is a convex quadratic in v; with (I+J)⁻¹ = I − J/(m+1) it is least at v̄ = (I+J)⁻¹(kI+J)v\\* = kv\\* + \
        ((1−k)s/(m+1)) 1, and there f = ⅛[v\\*ᵀ(I+J)v\\* − v\\*ᵀ(kI+J)(I+J)⁻¹(kI+J)v\\*]. Orthogonally to 1 the bracket's matrix is 1 \
        − k², along 1 it is (m+1) − (k+m)²/(m+1) = (1−k)(1+2m+k)/(m+1). With v\\*'s squares N − s²/m and s²/m in these directions, f = \
        φ(k) = (1−k)[(1+k)N + (1−k)a]/8. By Cauchy–Schwarz s² ≤ mN, so a < N and φ'' = −(N−a)/4 < 0. φ' = −[kN + (1−k)a]/4 vanishes at \
        k_s = −a/(N−a), which lies in (−1, 1) if and only if N > 2a; there 1−k = N/(N−a) and 1+k = (N−2a)/(N−a), so φ = N²/(8(N−a)). \
        φ(−1) = a/2, and the difference of the two is (N−2a)²/(8(N−a)). With s = 0, a = 0 and φ(−1) = 0, the global value; with m = 1, \
        a = N/2.
        """
    static let lemma3 = """
        *∂f/∂v.* The difference at two points is ¼[(I+J)Δv − Δk v\\*]. If w and w̃ enclose the angle ψ, |Δk| ≤ 2ψ/π, and ‖Δw‖ ≥ 2c_w \
        sin(ψ/2) ≥ 2c_wψ/π, so |Δk| ≤ ‖Δw‖/c_w: the quotient is at most the norm of the m×(m+1) matrix ¼[I+J, v\\*/c_w]. Equality: w = \
        c_w w\\*, w̃ = −c_w w\\*, Δv along the top singular vector. *∂f/∂w* = −cp̂/(2πr). Its derivative by v is −p̂v\\*ᵀ/(2πr); along \
        u, c p̂uᵀ/(2πr²); along p̂ (θ changes, p̂ turns into −u), c up̂ᵀ/(2πr²); orthogonally to the plane of w and w\\*, p̂ turns \
        with the speed cot θ/r: c cot θ/(2πr²). The images p̂, u and the rest are orthogonal, so the norm is the largest of √(Nr²+c²), \
        |c| and, for n ≥ 3, |c cot θ|, over 2πr². At θ → 0 with c fixed it has no bound; for n = 2, p̂ jumps across θ = 0.
        """
    static let lemma5 = """
        With d = ∂f/∂v and κ = k − cos θ, √(2π) E g = (2vᵀd + ½κc)u − ½ sin θ c p̂ (METHOD.md item 6), and ⟨E g, ∂f/∂w⟩ = sin θ \
        c²/(2(2π)^{3/2}‖w‖). *False as printed*: E g does not depend on ‖w‖; at d = 0 the ratio is √(π/2)‖w‖(κ² + sin²θ)/sin θ. \
        *Repaired*: with x = 2vᵀd and |x| ≤ 2‖v‖‖d‖ the bound with A = 2(1+τ)/π and B = √(π/2) says (x + ½κc)² ≤ (1+τ)x² + ¼(sin θ − \
        sin²θ)c² for all x, c, that is, by the discriminant, 1 + 1/τ ≤ sin θ(1 − sin θ)/κ² for all θ. The right side tends to its \
        infimum π²/(2(π−2)²) as θ → π/2, which gives τ₀: with θ = π/2 + φ, φ ≥ 0 by symmetry, C = cos φ and x = sin φ, κ = x − 2φ/π, and \
        κ² ≤ 2(1 − 2/π)²C(1−C) is left. As |κ| ≤ (2/π)C, it holds for C ≤ (π−2)²/(2 + (π−2)²) = 0.394…. Beyond, φ = arcsin x ≥ x + \
        x³/6 + 3x⁵/40 gives 0 ≤ κ ≤ (1 − 2/π)xR, R = 1 − β(x²/6 + 3x⁴/40), β = 2/(π−2), so that (1+C)R² ≤ 2C is enough. With t = \
        (1−C)/(1+C) ≤ 0.44, 2C/(1+C) = 1 − t and x² = 4t/(1+t)², so R = 1 − βt[⅔(1+t)⁻² + (6/5)t(1+t)⁻⁴]. The bracket falls with t (its \
        slope times (1+t)⁵ is −2/15 − 94t/15 − 4t²/3), from ⅔ to 0.44, and β > 1.75, so R ≤ 1 − 0.76t ≤ √(1−t), as √(1−t) ≥ 1 − 0.58t \
        there. B cannot be smaller: θ = π/2, d = 0. Given B, no smaller τ satisfies the discriminant, and at m = 1, where d ∥ v, nothing \
        else was given away.
        """
    static let lemma7 = """
        From METHOD.md item 4 and h = 4vᵀd + 2(1 − θ/π)c, E g = (2p₀vᵀd + cD)u − cq p̂. D and q are linear in ξ(1/(‖w‖ sin ψ)), which \
        falls with ψ = π/2 − |φ|, hence is a mixture with positive weights of indicators 1{ψ < t}: it is enough to show |D| ≤ (2/π)q \
        for each. D is odd and q even about θ = π/2; let θ ≤ π/2. Then 2πq = sin(min(t, θ)), 2πp₀ = 2(1 − cos t), 2πp = 1 − cos t + \
        max(0, cos θ − cos t). For t ≤ θ, D/q = tan(t/2)(1 − 2θ/π) ≤ (2θ/π)(1 − 2θ/π) ≤ ¼. For t > θ, 2πD = κ + (2θ/π) cos t with 0 ≤ \
        cos t ≤ cos θ, which lies between κ ≥ −(2/π) sin θ and (1 − cos θ)(1 − 2θ/π) ≤ ¼ sin θ. So ‖E g‖² ≤ 2(2p₀vᵀd)² + 2c²D² + q²c². \
        Finally p₀ ≤ 1/√(2π), and Φ(x) − ½ ≤ x/√(2π) gives 2π‖w‖q ≤ 1, so q²c² = 2π‖w‖q⟨E g, ∂f/∂w⟩ is at most the inner product.
        """
    static let stepSize = """
        f is quadratic in v, and θ enters by −¼(1 − 2θ/π)c only: first v, then θ, gives the identity. *S1*: w turns by δ, tan δ = \
        ηcq/r', towards w\\* if c > 0. As tan 2θ ≥ 2 sin θ while 2θ < π/2, S1 gives δ ≤ 2θ; so θ⁺ = |θ − δ| ≤ θ and Δθ = −ω with 0 ≤ ω ≤ \
        δ ≤ η|c|q/r' (c < 0: the same about π). *S2*: with M = I − (η/8)(I+J), positive as η(m+1) < 8, Δf = −ηdᵀMd − |c|ω/(2π) ± \
        ηωdᵀv\\*/(2π) ≤ ω[ηωv\\*ᵀM⁻¹v\\*/(16π²) − |c|/(2π)] ≤ 0 by the bound on ω and S2. Both steps are equalities at d = 0, θ → 0, and \
        at c → 0, d = (ω/4π)M⁻¹v\\*, so the conditions are sharp. *Uniform*: for η ≤ 4/(m+1) the part of v orthogonal to 1, and 1ᵀv, \
        move to convex combinations with kv\\*'s and with (k+m)s/(m+1), so ‖v‖ ≤ C_v for ever. M ≥ ½I; S2 with M − ¼I in M's place gives \
        Δf ≤ −¼η‖d‖², and v\\*ᵀ(M − ¼I)⁻¹v\\* ≤ 4N. ReLU and clipped ReLU have |ā| ≤ (m+1)C_v(C_v + ‖v\\*‖)/(2√(2π)) and q ≤ sin \
        θ/(2√(2π)), so η ≤ c_w/(2Γ) leaves r' ≥ ½c_w + ηC_v‖v\\*‖/(4√(2π)), which is S1; and 4η²qN ≤ 8ηN/(2√(2π)) ≤ c_w < 8πr', which is \
        S2. The identity likewise. *Limit*: Σ‖d‖² < ∞, so v follows v̄(θ). For θ away from 0 and π the turn is at least a constant times \
        η|c|/‖w‖, for the clipped ReLU |c|/‖w‖², as its q is of the size of 1/‖w‖. ‖E g‖ is bounded, so ‖w_t‖ = O(t); for the clipped \
        ReLU p₀ = O(1/‖w‖²) and |D|, q = O(1/‖w‖) give ‖E g‖ = O(1/‖w‖), so ‖w_t‖² = O(t). Overshoots, by more than 2θ − arctan(2 sin θ) \
        > 0, are finitely many there. Now φ(k) of proposition 1, strictly concave, tends to the limit of f, which it takes at most \
        twice. At a k other than the saddle's k_s, c tends to kN + (1−k)a, which has the sign of k − k_s and moves k away from k_s: k \
        cannot change over to the other solution, and θ converges. Within (0, π) and with c not tending to 0 the turns' factors would \
        sum to infinity; so (v, θ) converges to the global, the spurious or the saddle point (clipped ReLU and identity with free w: \
        while ‖w‖ ≥ c_w), unless 2a ≥ N and θ = π is met exactly, as at θ₀ = π: there q = 0, and v → v̄(π). Not met, θ does not tend to \
        π then: c would tend to 2a − N, which turns w back if it is positive. At 2a = N, with z = s(s − 1ᵀv) − (1−k)a and λ = η(m+1)/4, \
        z⁺ = (1−λ)z + aΔk and c⁺ = (1 − η/4)c + (η/4)(a(1+k) + z); so the sum of c⁻ = max(0, −c) is at most a constant plus (a/λ)Σ|Δk| \
        over the steps towards π, where |Δk| is at most a constant times c⁻(π − θ). With θ near enough to π for ever, Σc⁻ < ∞; but a \
        step leaves of π − θ at least the part 1 − const·c⁻, which keeps it away from 0.
        """
    static let norm = """
        *The law*: ‖v⁺‖² = ‖v‖² − 2ηvᵀd + η²‖d‖², r' = ‖w‖ − ηā and √(2π)ā = 2vᵀd + ½κc; the terms in vᵀd cancel. *The start, in \
        continuous time*: X = ‖w‖ − ‖v‖²/√(2π) + C_v²/√(2π) ≥ ‖w‖ has X' = −κc/(2√(2π)), and θ' = −c sin θ/(2√(2π)‖w‖), so dX/dθ = \
        (κ/sin θ)‖w‖. While c keeps its sign, θ is monotone; κ is negative before π/2 and positive after, so X falls by the factor \
        e^{−g₀} at most. With at most two changes of sign of c, X ≥ e^{−3g₀}X₀ for ever, and ‖w‖ ≥ X − C_v²/√(2π). *At most two*: \
        with y = s(s − 1ᵀv), z = y − (1−k)a and F = a + k(N−a) + z, c' = ¼(F − c), z' = −¼(m+1)z + ak', and k' has c's sign. Suppose c \
        falls through 0 at t₁, rises at t₂ and falls at t₃: F(t₁) ≤ 0 ≤ F(t₂), F(t₃) ≤ 0. On [t₁, t₂] k does not rise, so z(t₂) ≥ \
        z(t₁); but there z' < 0 while z > 0, and z cannot cross 0 upwards, so z(t₂) ≤ 0. On [t₂, t₃] k rises and z' ≥ −¼(m+1)z, so \
        z(t₃) ≥ z(t₂), and as a < N, F(t₃) > F(t₂) ≥ 0, a contradiction. Rise, fall, rise likewise, with all signs turned.
        """
    static let theorem2 = """
        With η ≤ 4/(m+1), c⁺ = (1 − η/4)c + (η/4)(kN + s(s − 1ᵀv)), and s·1ᵀv moves to a convex combination with (k+m)s²/(m+1) ≤ s². In \
        R₊, k > 0, so c⁺ > 0; S1 gives θ⁺ ≤ θ: R₊ is invariant, and of the limits that step-size leaves only the global minimum lies in \
        it. There κ ≤ 0 and c > 0, so the law of norm-law gives ‖w⁺‖ − ‖v⁺‖²/√(2π) ≥ ‖w‖ − ‖v‖²/√(2π) − η²‖d‖²/√(2π), and Ση²‖d‖² ≤ \
        4ηf₀. In R₋, kN + s(s − 1ᵀv) ≤ −2a + 2a, so c stays negative; s(s − 1ᵀv) moves to a convex combination with (1−k)a ≤ 2a; k falls \
        as θ grows.
        """
    static let identity = """
        At the spurious minimum v = −v\\* + (2s/(m+1))1, so ‖v‖² = N − 4s²/(m+1)², c̄ = −N + 2a and w\\* = −u: E g_id = (‖v‖² + \
        c̄)u/√(2π) = 2(m−1)s²/((m+1)²√(2π)) u. At θ = π − ε and this v, d = O(ε), so ‖d‖² = O(ε²), while ⟨E g_id, ∂f/∂w⟩ = sin ε \
        c̄²/((2π)^{3/2}‖w‖): the ratio grows as 1/ε.
        """
    static let remark2 = """
        With R_i > 0, σ(Z_iw) depends on the direction ω_i alone, and the directions of all rows are independent and uniform whatever \
        the radii do: f and its true gradients stay. Each summand of E g has one factor Z_i = R_iω_i beside functions of directions \
        (ReLU, identity): E R comes out, and E χ_n is the normal law's. The clipped ReLU cuts at ρ‖w‖ cos φ < 1, ρ and φ the polar \
        coordinates in the plane of w and w\\*: the integral over ρ is E[ρ 1{ρ ≤ sec φ/‖w‖}] in ξ's place. It grows with its argument, \
        which is all that lemma-7's bound on D used.
        """
}
