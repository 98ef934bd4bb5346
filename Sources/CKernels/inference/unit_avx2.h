// SPDX-License-Identifier: GPL-3.0-or-later
// What the tiles with AVX2's registers share: what becomes of a sum, and their sizes.
#pragma once
#include "unit_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx2,fma"
#define FAST __attribute__((target(TARGET)))
#define UNROLL _Pragma("clang loop unroll(full)")
#define STEP static inline __attribute__((always_inline, target(TARGET)))

enum { MOST_POSITIONS = 4 };

STEP __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

STEP __m256 eight_levels(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

/// Sixteen levels of their t. A NaN, which only a damaged model makes, counts as 0.
STEP void store_levels(const struct unit_tile *t, __m256 y0, __m256 y1, size_t at) {
    const __m256 zero = _mm256_setzero_ps(), qmax = _mm256_set1_ps(t->qmax);
    y0 = _mm256_ceil_ps(_mm256_min_ps(_mm256_max_ps(y0, zero), qmax));  // qmax is whole: clamping and rounding up commute
    y1 = _mm256_ceil_ps(_mm256_min_ps(_mm256_max_ps(y1, zero), qmax));
    __m256i words = _mm256_packus_epi32(_mm256_cvttps_epi32(y0), _mm256_cvttps_epi32(y1));  // 0–3 8–11, 4–7 12–15
    __m256i bytes = _mm256_packus_epi16(words, words);
    __m128i levels = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storeu_si128((__m128i *)((uint8_t *)t->y + at), levels);
}

/// Sixteen results, those of a block and a position, from their sums.
STEP void finish(const struct unit_tile *t, __m256 low, __m256 high, int block, int position) {
    const float *a = t->a + BLOCK * block, *b = t->b + BLOCK * block;
    const size_t at = (size_t)position * t->y_position + (size_t)(BLOCK * block);
    __m256 y0 = _mm256_fmadd_ps(_mm256_loadu_ps(a), low, _mm256_loadu_ps(b));
    __m256 y1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 8), high, _mm256_loadu_ps(b + 8));
    if (t->shortcut) {
        const __m256 step = _mm256_set1_ps(t->step);
        const float *wide = (const float *)t->shortcut + at;
        const uint8_t *levels = (const uint8_t *)t->shortcut + at;
        y0 = _mm256_fmadd_ps(step, t->wide ? _mm256_loadu_ps(wide) : eight_levels(levels), y0);
        y1 = _mm256_fmadd_ps(step, t->wide ? _mm256_loadu_ps(wide + 8) : eight_levels(levels + 8), y1);
    }
    if (!t->to_levels) {
        _mm256_storeu_ps((float *)t->y + at, y0);
        _mm256_storeu_ps((float *)t->y + at + 8, y1);
        return;
    }
    store_levels(t, y0, y1, at);
}

/// `name` chooses the tile by `body` for 1 to 4 positions. All sizes are constants at each call, so the sums live in registers.
#define TILES(name, body, ...)                                                                       \
    FAST static void name##_4(const struct unit_tile *t) { body(t, 4, ##__VA_ARGS__); }              \
    FAST static void name##_3(const struct unit_tile *t) { body(t, 3, ##__VA_ARGS__); }              \
    FAST static void name##_2(const struct unit_tile *t) { body(t, 2, ##__VA_ARGS__); }              \
    FAST static void name##_1(const struct unit_tile *t) { body(t, 1, ##__VA_ARGS__); }              \
    static unit_tile_fn *name(size_t positions, size_t blocks) {                                     \
        static unit_tile_fn *const tiles[] = {name##_1, name##_2, name##_3, name##_4};               \
        return tiles[positions - 1];                                                                 \
    }

#define TILING(name) {.positions = up_to_four, .blocks = 1, .tile = name}

extern const struct unit_tiling unit_avx2_first;
#endif
