// SPDX-License-Identifier: GPL-3.0-or-later
// bfloat16: the upper half of an f32's bits.
#pragma once
#include <stdint.h>
#include <string.h>
#include "common/kernel.h"

CK_INLINE float bf16_to_float(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// Rounds to nearest, ties to even; NaN stays NaN.
CK_INLINE uint16_t bf16_from_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
