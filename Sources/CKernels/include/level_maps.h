// SPDX-License-Identifier: GPL-3.0-or-later
// The small passes over maps of levels (CK_U8) or values (CK_BF16) and their gradients (bf16), channels-last, around the
// convolutions.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "elementwise.h"
#include "norm_activation.h"
#include "pooling.h"

/// small [N, ⌈H/s⌉, ⌈W/s⌉, C + 2·pad] = the shortcut of a map; the padded channels are 0.
void ck_map_shortcut_forward(const void *large, void *small, enum ck_number type, struct ck_shortcut shape, int threads);

/// large += the adjoint of the shortcut of a gradient, in bf16.
void ck_map_shortcut_backward(const uint16_t *small, uint16_t *large, struct ck_shortcut shape, int threads);

/// mean[n, c] = unit · Σ x / (H·W); the shape's window is not used.
void ck_map_mean_forward(const void *x, enum ck_number type, float unit, float *mean, struct ck_pool shape, int threads);

/// gradient[n, h, w, c] = dmean[n, c] / (H·W), in bf16.
void ck_map_mean_backward(const float *dmean, uint16_t *gradient, struct ck_pool shape, int threads);

/// y += x, in bf16 rounded to nearest, ties to even.
void ck_bf16_add(const uint16_t *x, uint16_t *y, size_t count, int threads);

/// An f32 map rounded to bf16 (to nearest, ties to even), and f32 values of a bf16 map.
void ck_f32_to_bf16(const float *x, uint16_t *y, size_t count, int threads);
void ck_bf16_to_f32(const uint16_t *x, float *y, size_t count, int threads);
