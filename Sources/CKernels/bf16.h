// SPDX-License-Identifier: GPL-3.0-or-later
// bfloat16: the upper half of an f32. Converted by integer arithmetic, which every processor vectorises.
#pragma once
#include <stdint.h>
#include <string.h>

static inline float ck_from_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// Rounds to nearest, ties to even; NaN stays NaN.
static inline uint16_t ck_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return x == x ? (uint16_t)rounded : 0x7fc0;
}
