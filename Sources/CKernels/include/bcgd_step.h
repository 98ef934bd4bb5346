// SPDX-License-Identifier: GPL-3.0-or-later
// The update of blended coarse gradient descent in one pass over a tensor (METHOD.md part 1).
// Its definition as plain loops: Sources/Training/CoarseGradientDescentReference.swift.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "weight_projection.h"

/// blending ρ, momentum, weight decay, rate η.
struct ck_bcgd {
    float blending, momentum, decay, rate;
};

/// With w_q = scale·codes, or no blend where `codes` is null:
///     w ← (1 − ρ)·w + ρ·w_q
///     m ← momentum·m + gradient + decay·w
///     w ← w − η·m
/// Returns Σ|w| and max|w| of the new weights, which every projection starts from; where `binary` is not 0, the codes
/// become the new weights' signs (+1 for zero), the binary projection. No result depends on `threads`.
struct ck_magnitudes ck_bcgd_step(float *w, int8_t *codes, float scale, const float *gradient, float *m, size_t count,
                                  struct ck_bcgd step, int binary, int threads);
