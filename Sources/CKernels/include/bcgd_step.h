// SPDX-License-Identifier: GPL-3.0-or-later
// The update of blended coarse gradient descent in one pass over a tensor (METHOD.md part 1).
// Its definition as plain loops: Sources/Training/CoarseGradientDescentReference.swift.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "weight_projection.h"

/// blending ρ, momentum, weight decay, rate η.
struct ck_bcgd {
    float blending, momentum, decay, learning_rate;
};

/// w is `slices` parts of equal length with a scale each: one part (per layer), or one an output channel.
/// With w_q = scale·integer weights, or no blend where `integer_weights` is null:
///     w ← (1 − ρ)·w + ρ·w_q
///     m ← momentum·m + gradient + decay·w
///     w ← w − η·m
/// Writes Σ|w| and max|w| of each slice's new weights, which every projection starts from, to `magnitudes`; where `binary`
/// is not 0, the integer weights become the new weights' signs (+1 for zero), the binary projection.
/// No result depends on `threads` or on the processor.
void ck_bcgd_step(float *w, int8_t *integer_weights, const float *scales, const float *gradient, float *m, size_t count, size_t slices,
                  struct ck_bcgd step, int binary, struct ck_magnitudes *magnitudes, int threads);
