// SPDX-License-Identifier: GPL-3.0-or-later

/// The proof of METHOD.md item 6, in Markdown.
enum ModelProofs {
    static let bound = """
        With κ = k − cos θ, √(2π) E g = (2vᵀd + ½κc)u − ½ sin θ c p̂. First |κ| ≤ (2/π) sin θ: with θ = π/2 + φ, κ = sin φ − 2φ/π is odd \
        in φ; for φ ≥ 0 it is ≥ 0, as the sine is concave, and D(φ) = (2/π) cos φ − κ has D' = (2/π)(1 − sin φ) − cos φ ≤ 0 (with ψ = \
        π/2 − φ, D' = 2 sin(ψ/2)((2/π) sin(ψ/2) − cos(ψ/2)), and tan(ψ/2) ≤ 1), so D ≥ D(π/2) = 0. As (x + y)² ≤ 2x² + 2y², 2π‖E g‖² ≤ \
        8(vᵀd)² + (2/π² + ¼) sin²θ c². Cauchy–Schwarz gives A; sin²θ ≤ sin θ and sin θ c² = 2(2π)^{3/2}‖w‖⟨E g, ∂f/∂w⟩ give B.
        """
}
