// SPDX-License-Identifier: GPL-3.0-or-later
// The update of Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1) with the blend of BCGD before it, in one pass over a tensor.
// Its definition as plain loops: Sources/Training/CoarseGradientDescentReference.swift.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// blending ρ, β₁, β₂, ε, weight decay (added to the gradient), η/(1 − β₁ᵗ), 1/√(1 − β₂ᵗ).
struct ck_adam {
    float blending, beta1, beta2, epsilon, decay, learning_rate, root_correction;
};

/// w is `slices` parts of equal length with a scale each. With w_q = scale·integer weights, or no blend where these are null:
///     w ← (1 − ρ)·w + ρ·w_q
///     g = gradient + decay·w,   m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²
///     w ← w − learning_rate·m / (√v·root_correction + ε)
/// No result depends on `threads` or on the processor.
void ck_adam_step(float *w, const int8_t *integer_weights, const float *scales, const float *gradient, float *m, float *v, size_t count,
                  size_t slices, struct ck_adam step, int threads);
