// SPDX-License-Identifier: GPL-3.0-or-later
// Maximum pooling of maps of levels (u8), or of bf16 values that are not negative, and its adjoint for bf16 gradients:
// ck_max_pool_* (pooling.h) on other types. Places, padding and ties are the same.
#pragma once
#include "pooling.h"

void ck_level_max_forward(const uint8_t *x, uint8_t *y, uint8_t *argmax, struct ck_pool shape, int threads);
void ck_bf16_max_forward(const uint16_t *x, uint16_t *y, uint8_t *argmax, struct ck_pool shape, int threads);

/// dx is overwritten. Where windows overlap, sums are rounded to bf16 window after window.
void ck_bf16_max_backward(const uint16_t *dy, const uint8_t *argmax, uint16_t *dx, struct ck_pool shape, int threads);
