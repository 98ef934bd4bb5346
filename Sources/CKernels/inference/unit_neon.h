// SPDX-License-Identifier: GPL-3.0-or-later
// What the tiles with NEON share: what becomes of a sum, and their sizes.
#pragma once
#include "unit_kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define WITH(feature) __attribute__((target(feature)))
#define STEP static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { MOST_POSITIONS = 4, QUARTERS = BLOCK / 4 };

/// Sixteen levels of their t. A NaN, which only a damaged model makes, counts as 0.
STEP void store_levels(const struct unit_tile *t, const float32x4_t y[QUARTERS], size_t at) {
    uint16x4_t levels[QUARTERS];  // rounded up, and saturated at 0 and far above the highest level
    UNROLL for (int i = 0; i < QUARTERS; i++) levels[i] = vqmovun_s32(vcvtpq_s32_f32(y[i]));
    const uint16x8_t qmax = vdupq_n_u16((uint16_t)t->qmax);
    uint16x8_t low = vminq_u16(vcombine_u16(levels[0], levels[1]), qmax), high = vminq_u16(vcombine_u16(levels[2], levels[3]), qmax);
    vst1q_u8((uint8_t *)t->y + at, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
}

/// Sixteen results at `at` from their sums.
STEP void finish(const struct unit_tile *t, const float32x4_t sums[QUARTERS], const float *a, const float *b, size_t at) {
    float32x4_t y[QUARTERS];
    UNROLL for (int i = 0; i < QUARTERS; i++) y[i] = vfmaq_f32(vld1q_f32(b + 4 * i), vld1q_f32(a + 4 * i), sums[i]);
    const float32x4_t step = vdupq_n_f32(t->step);
    if (t->shortcut && t->wide) {
        UNROLL for (int i = 0; i < QUARTERS; i++) y[i] = vfmaq_f32(y[i], step, vld1q_f32((const float *)t->shortcut + at + 4 * i));
    } else if (t->shortcut) {
        uint8x16_t levels = vld1q_u8((const uint8_t *)t->shortcut + at);
        uint16x8_t low = vmovl_u8(vget_low_u8(levels)), high = vmovl_high_u8(levels);
        y[0] = vfmaq_f32(y[0], step, vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))));
        y[1] = vfmaq_f32(y[1], step, vcvtq_f32_u32(vmovl_high_u16(low)));
        y[2] = vfmaq_f32(y[2], step, vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))));
        y[3] = vfmaq_f32(y[3], step, vcvtq_f32_u32(vmovl_high_u16(high)));
    }
    if (!t->to_levels) {
        UNROLL for (int i = 0; i < QUARTERS; i++) vst1q_f32((float *)t->y + at + 4 * i, y[i]);
        return;
    }
    store_levels(t, y, at);
}

STEP void finish_integers(const struct unit_tile *t, const int32x4_t sums[QUARTERS], int block, size_t at) {
    float32x4_t floats[QUARTERS];
    UNROLL for (int i = 0; i < QUARTERS; i++) floats[i] = vcvtq_f32_s32(sums[i]);
    finish(t, floats, t->a + BLOCK * block, t->b + BLOCK * block, at + (size_t)(BLOCK * block));
}

/// `name` chooses the tile by `body` for 1 to 4 positions. All sizes are constants at each call, so the sums live in registers.
#define TILES(name, attribute, body, ...)                                                                 \
    attribute static void name##_4(const struct unit_tile *t) { body(t, 4, ##__VA_ARGS__); }              \
    attribute static void name##_3(const struct unit_tile *t) { body(t, 3, ##__VA_ARGS__); }              \
    attribute static void name##_2(const struct unit_tile *t) { body(t, 2, ##__VA_ARGS__); }              \
    attribute static void name##_1(const struct unit_tile *t) { body(t, 1, ##__VA_ARGS__); }              \
    static unit_tile_fn *name(size_t positions, size_t blocks) {                                          \
        static unit_tile_fn *const tiles[] = {name##_1, name##_2, name##_3, name##_4};                    \
        return tiles[positions - 1];                                                                      \
    }

#define TILING(name) {.positions = up_to_four, .blocks = 1, .tile = name}

extern const struct unit_tiling unit_neon_first;
#endif
