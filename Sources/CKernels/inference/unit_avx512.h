// SPDX-License-Identifier: GPL-3.0-or-later
// What the tiles with AVX-512 share: what becomes of a sum, and their sizes.
#pragma once
#include "unit_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl"
#define WITH(features) __attribute__((target(AVX512 features)))
#define STEP static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { MOST_POSITIONS = 8, MOST_BLOCKS = 2 };
typedef __m512i tile_sums[MOST_POSITIONS][MOST_BLOCKS];

STEP WITH("") void clear(tile_sums sums, int positions, int blocks) {
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_setzero_si512();
}

/// Sixteen levels of their t. A NaN, which only a damaged model makes, counts as 0.
STEP WITH("") void store_levels(const struct unit_tile *t, __m512 y, size_t at) {
    // qmax is whole: clamping and rounding up commute.
    y = _mm512_min_ps(_mm512_max_ps(y, _mm512_setzero_ps()), _mm512_set1_ps(t->qmax));
    __m512i levels = _mm512_cvt_roundps_epi32(y, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    _mm_storeu_si128((__m128i *)((uint8_t *)t->y + at), _mm512_cvtepi32_epi8(levels));
}

/// What becomes of sums, integers or the bits of f32.
STEP WITH("") void finish(const struct unit_tile *t, tile_sums sums, int are_floats, int positions, int blocks) {
    const __m512 step = _mm512_set1_ps(t->step);
    UNROLL for (int o = 0; o < blocks; o++) {
        __m512 a = _mm512_loadu_ps(t->a + BLOCK * o), b = _mm512_loadu_ps(t->b + BLOCK * o);
        UNROLL for (int p = 0; p < positions; p++) {
            size_t at = (size_t)p * t->y_position + (size_t)(BLOCK * o);
            __m512 sum = are_floats ? _mm512_castsi512_ps(sums[p][o]) : _mm512_cvtepi32_ps(sums[p][o]);
            __m512 y = _mm512_fmadd_ps(a, sum, b);
            if (t->shortcut) {
                __m512 other = t->wide
                    ? _mm512_loadu_ps((const float *)t->shortcut + at)
                    : _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)((const uint8_t *)t->shortcut + at))));
                y = _mm512_fmadd_ps(step, other, y);
            }
            if (t->to_levels) store_levels(t, y, at);
            else _mm512_storeu_ps((float *)t->y + at, y);
        }
    }
}

/// The tile by `body` for so many positions and blocks. All sizes are constants at each call, so the sums live in registers.
#define TILE(name, features, body, positions, blocks) \
    WITH(features) static void name##_##positions##blocks(const struct unit_tile *t) { body(t, positions, blocks); }

/// `name` chooses the tile for 8, 7, 4, 2 or 1 positions and 1 or 2 blocks.
#define TILES(name, features, body)                                                                                    \
    TILE(name, features, body, 8, 1) TILE(name, features, body, 7, 1) TILE(name, features, body, 4, 1)                 \
    TILE(name, features, body, 2, 1) TILE(name, features, body, 1, 1)                                                  \
    TILE(name, features, body, 8, 2) TILE(name, features, body, 7, 2) TILE(name, features, body, 4, 2)                 \
    TILE(name, features, body, 2, 2) TILE(name, features, body, 1, 2)                                                  \
    static unit_tile_fn *name(size_t positions, size_t blocks) {                                                       \
        switch (positions) {                                                                                           \
        case 8: return blocks == 2 ? name##_82 : name##_81;                                                            \
        case 7: return blocks == 2 ? name##_72 : name##_71;                                                            \
        case 4: return blocks == 2 ? name##_42 : name##_41;                                                            \
        case 2: return blocks == 2 ? name##_22 : name##_21;                                                            \
        default: return blocks == 2 ? name##_12 : name##_11;                                                           \
        }                                                                                                              \
    }

static inline size_t up_to_eight(size_t rest, size_t blocks) {
    if (rest % 8 == 0 || rest > 14) return 8;
    if (rest % 7 == 0) return 7;
    return rest > 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
}

#define TILING(name) {.positions = up_to_eight, .blocks = MOST_BLOCKS, .tile = name}

extern const struct unit_tiling unit_avx512_first;
#endif
