// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>
#include <stdint.h>

/// out = share·scale·integer weights + (1 − share)·w, the weights that BinaryRelax's passes use (METHOD.md part 1, share = λ/(1 + λ));
/// share = 1 gives scale·integer weights exactly. w is `slices` parts of equal length with a scale each.
/// No result depends on `threads` or on the processor.
void ck_relaxed_weights(const float *w, const int8_t *integer_weights, const float *scales, size_t count, size_t slices, float share,
                        float *out, int threads);
