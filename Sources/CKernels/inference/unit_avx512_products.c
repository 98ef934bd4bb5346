// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference with AVX-512: products of bytes by `vpdpbusd` (VNNI), and the first unit, of bytes or in f32.
#include "unit_avx512.h"

#if defined(__x86_64__)

#define VNNI ",avx512vnni"

/// Sums of levels with integer weights: each group of 4 channels is broadcast to 16 output channels.
STEP WITH(VNNI) void add_integer_weights(const struct unit_tile *t, const char *first_x, const char *first_weight, tile_sums sums,
                                         int positions, int blocks) {
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = first_x + r * t->x_row, *weight = first_weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group--, x += 4, weight += GROUP_BYTES) {
            __m512i w[MOST_BLOCKS];
            UNROLL for (int o = 0; o < blocks; o++) w[o] = _mm512_loadu_si512(weight + (size_t)o * t->weight_block);
            UNROLL for (int p = 0; p < positions; p++) {
                int four;
                __builtin_memcpy(&four, x + (size_t)p * t->x_position, 4);
                __m512i levels = _mm512_set1_epi32(four);
                UNROLL for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_dpbusd_epi32(sums[p][o], levels, w[o]);
            }
        }
    }
}

STEP WITH(VNNI) void products_tile(const struct unit_tile *t, int positions, int blocks) {
    tile_sums sums;
    clear(sums, positions, blocks);
    add_integer_weights(t, t->x, t->weight, sums, positions, blocks);
    finish(t, sums, 0, positions, blocks);
}

/// Of a unit of bytes: the colours' sums one after the other. It has one block a tile.
STEP WITH(VNNI) void bytes_tile(const struct unit_tile *t, int positions, int blocks) {
    __m512 y[MOST_POSITIONS];
    UNROLL for (int p = 0; p < positions; p++) y[p] = _mm512_loadu_ps(t->b + t->column_classes[p] * t->b_class);
    for (size_t c = 0; c < t->colours; c++) {
        tile_sums sums;
        clear(sums, positions, 1);
        add_integer_weights(t, (const char *)t->x + c * t->x_colour, (const char *)t->weight + c * t->weight_colour, sums, positions, 1);
        __m512 a = _mm512_loadu_ps(t->a + c * t->a_colour);
        UNROLL for (int p = 0; p < positions; p++) y[p] = _mm512_fmadd_ps(a, _mm512_cvtepi32_ps(sums[p][0]), y[p]);
    }
    UNROLL for (int p = 0; p < positions; p++) store_levels(t, y[p], (size_t)p * t->y_position);
}

/// Sums of f32, whose bits are kept in the tile's integers.
STEP WITH("") void add_floats(const struct unit_tile *t, tile_sums sums, int positions, int blocks) {
    for (size_t r = 0; r < t->rows; r++) {
        const float *x = (const float *)t->x + r * t->x_row, *weight = (const float *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group--, x++, weight += BLOCK) {
            __m512 w[MOST_BLOCKS];
            UNROLL for (int o = 0; o < blocks; o++) w[o] = _mm512_loadu_ps(weight + (size_t)o * t->weight_block);
            UNROLL for (int p = 0; p < positions; p++) {
                __m512 value = _mm512_set1_ps(x[(size_t)p * t->x_position]);
                UNROLL for (int o = 0; o < blocks; o++)
                    sums[p][o] = _mm512_castps_si512(_mm512_fmadd_ps(value, w[o], _mm512_castsi512_ps(sums[p][o])));
            }
        }
    }
}

STEP WITH("") void first_tile(const struct unit_tile *t, int positions, int blocks) {
    tile_sums sums;
    clear(sums, positions, blocks);
    add_floats(t, sums, positions, blocks);
    finish(t, sums, 1, positions, blocks);
}

TILES(products, VNNI, products_tile)
TILES(colours, VNNI, bytes_tile)
TILES(first, "", first_tile)

static const struct unit_tiling tiling = TILING(products), bytes = TILING(colours);
const struct unit_tiling unit_avx512_first = TILING(first);

const struct unit_kernels unit_kernels_vnni = {
    .name = "vnni", .needs = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI, .group_channels = 4, .group_bytes = GROUP_BYTES, .channel_bytes = 1,
    .pack = pack_fours, .sums = &tiling, .first = &unit_avx512_first, .bytes = &bytes};
#endif
