// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The largest window: a place in it fits in a byte.
enum { CK_POOL_WINDOW = 15 };

/// Pooling of channels-last maps [N, H, W, C] with a square window.
struct ck_pool {
    size_t images, height, width, channels, window, stride, padding;
};
static inline size_t ck_pool_output_side(size_t side, struct ck_pool s) { return (side + 2 * s.padding - s.window) / s.stride + 1; }

/// y[n, h, w, c] = the maximum over the window (padding never wins); `argmax` keeps its place r·window + s.
/// Ties go to the first in row-major order, as in PyTorch. `window` is at most CK_POOL_WINDOW; each covers a pixel.
void ck_max_pool_forward(const float *x, float *y, uint8_t *argmax, struct ck_pool shape, int threads);

/// dx is overwritten: each dy goes to its window's winner.
void ck_max_pool_backward(const float *dy, const uint8_t *argmax, float *dx, struct ck_pool shape, int threads);

/// y[n, c] = the mean over H·W; window, stride and padding are not used.
void ck_mean_pool_forward(const float *x, float *y, struct ck_pool shape, int threads);
void ck_mean_pool_backward(const float *dy, float *dx, struct ck_pool shape, int threads);
