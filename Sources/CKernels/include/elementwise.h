// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>

/// y = max(x, 0); x and y may be the same.
void ck_relu_forward(const float *x, float *y, size_t count, int threads);

/// dx = dy where x > 0, else 0; dx may be dy.
void ck_relu_backward(const float *x, const float *dy, float *dx, size_t count, int threads);

/// The parameter-free shortcut of CIFAR ResNets between large maps [N, H, W, C] and small ones
/// [N, ⌈H/s⌉, ⌈W/s⌉, C + 2·pad]: small[n, h, w, pad + c] += large[n, s·h, s·w, c].
struct ck_shortcut {
    size_t images, height, width, channels, stride, pad;
};
void ck_shortcut_forward(const float *large, float *small, struct ck_shortcut shape, int threads);

/// Its adjoint: large[n, s·h, s·w, c] += small[n, h, w, pad + c].
void ck_shortcut_backward(const float *small, float *large, struct ck_shortcut shape, int threads);
