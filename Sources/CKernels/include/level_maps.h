// SPDX-License-Identifier: GPL-3.0-or-later
// The small passes over maps of levels (u8) and of their gradients (bf16), channels-last, around the convolutions.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "elementwise.h"
#include "pooling.h"

/// small [N, ⌈H/s⌉, ⌈W/s⌉, C + 2·pad] = the shortcut of a map of levels; the padded channels are 0.
void ck_level_shortcut_forward(const uint8_t *large, uint8_t *small, struct ck_shortcut shape, int threads);

/// large += the adjoint of the shortcut of a gradient, in bf16.
void ck_level_shortcut_backward(const uint16_t *small, uint16_t *large, struct ck_shortcut shape, int threads);

/// mean[n, c] = unit · Σ levels / (H·W); the shape's window is not used.
void ck_level_mean_forward(const uint8_t *levels, float unit, float *mean, struct ck_pool shape, int threads);

/// gradient[n, h, w, c] = dmean[n, c] / (H·W), in bf16.
void ck_level_mean_backward(const float *dmean, uint16_t *gradient, struct ck_pool shape, int threads);

/// f32 values of a bf16 map.
void ck_bf16_to_f32(const uint16_t *x, float *y, size_t count, int threads);
