// SPDX-License-Identifier: GPL-3.0-or-later
// The tiles of integer inference in plain C, which the compiler vectorises for each instruction set.
#include <math.h>
#include <string.h>
#include "unit_kernels.h"

static void pack(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 4; i++) ((int8_t *)to)[BLOCK * i + o] = integer_weights[o * output + i * input];
}

// The compiler makes of them what each instruction set has.
typedef int8_t sixteen_bytes __attribute__((vector_size(BLOCK)));
typedef int32_t sixteen_integers __attribute__((vector_size(4 * BLOCK)));

CK_INLINE float t_of(const struct unit_tile *t, float sum, size_t at, size_t channel) {
    float y = fmaf(t->a[channel], sum, t->b[channel]);
    if (!t->shortcut) return y;
    return fmaf(t->step, t->wide ? ((const float *)t->shortcut)[at] : (float)((const uint8_t *)t->shortcut)[at], y);
}

CK_INLINE void store_level(const struct unit_tile *t, float y, size_t at) {
    y = ceilf(y);
    ((uint8_t *)t->y)[at] = y > 0 ? (uint8_t)(y < t->qmax ? y : t->qmax) : 0;
}

CK_INLINE void finish(const struct unit_tile *t, float sum, size_t at, size_t channel) {
    float y = t_of(t, sum, at, channel);
    if (t->to_levels) store_level(t, y, at);
    else ((float *)t->y)[at] = y;
}

/// sums += the products of the runs from `x` and `w` on.
CK_INLINE void add_products(sixteen_integers *sums, const struct unit_tile *t, const uint8_t *x, const int8_t *w) {
    for (size_t r = 0; r < t->rows; r++, x += t->x_row, w += t->weight_row)
        for (size_t group = 0; group < t->groups; group++)
            for (size_t i = 0; i < 4; i++) {
                sixteen_bytes weights;
                memcpy(&weights, w + GROUP_BYTES * group + BLOCK * i, BLOCK);
                *sums += (int32_t)x[4 * group + i] * __builtin_convertvector(weights, sixteen_integers);
            }
}

CK_KERNEL(void, integer_weights, (const struct unit_tile *t), (t)) {
    sixteen_integers sums = {0};
    add_products(&sums, t, t->x, t->weight);
    for (size_t o = 0; o < BLOCK; o++) finish(t, (float)sums[o], o, o);
}

CK_KERNEL(void, bytes, (const struct unit_tile *t), (t)) {
    float y[BLOCK];
    memcpy(y, t->b + *t->column_classes * t->b_class, sizeof y);
    for (size_t c = 0; c < t->colours; c++) {
        sixteen_integers sums = {0};
        add_products(&sums, t, (const uint8_t *)t->x + c * t->x_colour, (const int8_t *)t->weight + c * t->weight_colour);
        for (size_t o = 0; o < BLOCK; o++) y[o] = fmaf(t->a[c * t->a_colour + o], (float)sums[o], y[o]);
    }
    for (size_t o = 0; o < BLOCK; o++) store_level(t, y[o], o);
}

CK_KERNEL(void, first, (const struct unit_tile *t), (t)) {
    float sums[BLOCK] = {0};
    for (size_t r = 0; r < t->rows; r++)
        for (size_t group = 0; group < t->groups; group++) {
            float x = ((const float *)t->x)[r * t->x_row + group];
            const float *w = (const float *)t->weight + r * t->weight_row + BLOCK * group;
            for (size_t o = 0; o < BLOCK; o++) sums[o] = fmaf(x, w[o], sums[o]);
        }
    for (size_t o = 0; o < BLOCK; o++) finish(t, sums[o], o, o);
}

static size_t one(size_t rest, size_t blocks) { return 1; }

#define COPY(copy)                                                                                                       \
    static unit_tile_fn *sums_##copy(size_t positions, size_t blocks) { return integer_weights_##copy; }                 \
    static unit_tile_fn *first_sums_##copy(size_t positions, size_t blocks) { return first_##copy; }                     \
    static unit_tile_fn *byte_sums_##copy(size_t positions, size_t blocks) { return bytes_##copy; }                      \
    static const struct unit_tiling tiling_##copy = {.positions = one, .blocks = 1, .tile = sums_##copy};                \
    static const struct unit_tiling first_tiling_##copy = {.positions = one, .blocks = 1, .tile = first_sums_##copy}; \
    static const struct unit_tiling byte_tiling_##copy = {.positions = one, .blocks = 1, .tile = byte_sums_##copy};
#define TABLE(copy)                                                                                                      \
    {.name = "portable", .group_channels = 4, .group_bytes = GROUP_BYTES, .channel_bytes = 1, .pack = pack,                \
     .sums = &tiling_##copy, .first = &first_tiling_##copy, .bytes = &byte_tiling_##copy}
COPY(portable)
#if defined(__x86_64__)
COPY(avx2)
COPY(avx512)
const struct unit_kernels unit_kernels_portable[] = {TABLE(portable), TABLE(avx2), TABLE(avx512)};
#else
const struct unit_kernels unit_kernels_portable[] = {TABLE(portable)};
#endif
