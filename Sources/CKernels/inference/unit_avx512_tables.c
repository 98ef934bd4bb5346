// SPDX-License-Identifier: GPL-3.0-or-later
// The tiles of integer inference with AVX-512: `vpdpbusd` (VNNI), and `vpermb` (VBMI) for the tables.
#include "unit_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi"
#define FAST __attribute__((target(TARGET)))
#define UNROLL _Pragma("clang loop unroll(full)")
#define STEP static inline __attribute__((always_inline, target(TARGET)))

enum { MOST_POSITIONS = 8, MOST_BLOCKS = 2 };
enum unit_kind { KIND_CODES, KIND_TABLES, KIND_FIRST };
typedef __m512i tile_sums[MOST_POSITIONS][MOST_BLOCKS];

/// Sums of levels with integer weights: each group of 4 channels is broadcast to 16 output channels.
STEP void add_integer_weights(const struct unit_tile *t, tile_sums sums, int positions, int blocks) {
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
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

/// Sums from tables: entries are at most 4·15 in magnitude, so two of them add up within a byte.
STEP void add_tables(const struct unit_tile *t, tile_sums sums, int positions, int blocks) {
    const __m512i ones = _mm512_set1_epi8(1);
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
        size_t group = t->groups;
        for (; group > 1; group -= 2, x += 2 * GROUP_BYTES, weight += 2 * GROUP_BYTES) {
            __m512i w[MOST_BLOCKS][2];
            UNROLL for (int o = 0; o < blocks; o++)
                for (int g = 0; g < 2; g++) w[o][g] = _mm512_loadu_si512(weight + (size_t)o * t->weight_block + g * GROUP_BYTES);
            UNROLL for (int p = 0; p < positions; p++) {
                const char *tables = x + (size_t)p * t->x_position;
                __m512i first = _mm512_loadu_si512(tables), second = _mm512_loadu_si512(tables + GROUP_BYTES);
                UNROLL for (int o = 0; o < blocks; o++)
                    sums[p][o] = _mm512_dpbusd_epi32(
                        sums[p][o], ones,
                        _mm512_add_epi8(_mm512_permutexvar_epi8(w[o][0], first), _mm512_permutexvar_epi8(w[o][1], second)));
            }
        }
        if (group == 0) continue;
        UNROLL for (int p = 0; p < positions; p++) {
            __m512i tables = _mm512_loadu_si512(x + (size_t)p * t->x_position);
            UNROLL for (int o = 0; o < blocks; o++)
                sums[p][o] = _mm512_dpbusd_epi32(
                    sums[p][o], ones,
                    _mm512_permutexvar_epi8(_mm512_loadu_si512(weight + (size_t)o * t->weight_block), tables));
        }
    }
}

/// Sums of f32, whose bits are kept in the tile's integers.
STEP void add_floats(const struct unit_tile *t, tile_sums sums, int positions, int blocks) {
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

/// t, and what becomes of it. A NaN, which only a damaged model makes, counts as 0.
STEP void finish(const struct unit_tile *t, tile_sums sums, enum unit_kind kind, int positions, int blocks) {
    const __m512 step = _mm512_set1_ps(t->step), qmax = _mm512_set1_ps(t->qmax), zero = _mm512_setzero_ps();
    UNROLL for (int o = 0; o < blocks; o++) {
        __m512 a = _mm512_loadu_ps(t->a + BLOCK * o), b = _mm512_loadu_ps(t->b + BLOCK * o);
        UNROLL for (int p = 0; p < positions; p++) {
            size_t at = (size_t)p * t->y_position + (size_t)(BLOCK * o);
            __m512 sum = kind == KIND_FIRST ? _mm512_castsi512_ps(sums[p][o]) : _mm512_cvtepi32_ps(sums[p][o]);
            __m512 y = _mm512_fmadd_ps(a, sum, b);
            if (kind != KIND_FIRST && t->shortcut) {
                __m512 other = t->wide
                    ? _mm512_loadu_ps((const float *)t->shortcut + at)
                    : _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)((const uint8_t *)t->shortcut + at))));
                y = _mm512_fmadd_ps(step, other, y);
            }
            if (kind == KIND_FIRST || t->to_levels) {
                y = _mm512_min_ps(_mm512_max_ps(y, zero), qmax);  // the qmax is whole: clamping and rounding up commute
                __m512i levels = _mm512_cvt_roundps_epi32(y, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
                _mm_storeu_si128((__m128i *)((uint8_t *)t->y + at), _mm512_cvtepi32_epi8(levels));
            } else {
                _mm512_storeu_ps((float *)t->y + at, y);
            }
        }
    }
}

/// All sizes are constants at each call, so the sums live in registers.
STEP void tile(const struct unit_tile *t, enum unit_kind kind, int positions, int blocks) {
    tile_sums sums;
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_setzero_si512();
    if (kind == KIND_CODES) add_integer_weights(t, sums, positions, blocks);
    else if (kind == KIND_TABLES) add_tables(t, sums, positions, blocks);
    else add_floats(t, sums, positions, blocks);
    finish(t, sums, kind, positions, blocks);
}

#define TILE(kind, positions, blocks) \
    FAST static void kind##_##positions##blocks(const struct unit_tile *t) { tile(t, kind, positions, blocks); }
#define TILES(kind)                                                                                                   \
    TILE(kind, 8, 1) TILE(kind, 7, 1) TILE(kind, 4, 1) TILE(kind, 2, 1) TILE(kind, 1, 1)                               \
    TILE(kind, 8, 2) TILE(kind, 7, 2) TILE(kind, 4, 2) TILE(kind, 2, 2) TILE(kind, 1, 2)                               \
    static unit_tile_fn *kind##_tile(size_t positions, size_t blocks) {                                               \
        switch (positions) {                                                                                          \
        case 8: return blocks == 2 ? kind##_82 : kind##_81;                                                           \
        case 7: return blocks == 2 ? kind##_72 : kind##_71;                                                           \
        case 4: return blocks == 2 ? kind##_42 : kind##_41;                                                           \
        case 2: return blocks == 2 ? kind##_22 : kind##_21;                                                           \
        default: return blocks == 2 ? kind##_12 : kind##_11;                                                          \
        }                                                                                                             \
    }
TILES(KIND_CODES)
TILES(KIND_TABLES)
TILES(KIND_FIRST)

FAST static void tables_of(const uint8_t *x, size_t channels, uint8_t *tables) {
    // Lane g, byte p: channel 4g + j for the shuffles; bit j of p for the masks.
    const __m512i lanes = _mm512_set_epi64(0x0c0c0c0c0c0c0c0c, 0x0c0c0c0c0c0c0c0c, 0x0808080808080808, 0x0808080808080808,
                                           0x0404040404040404, 0x0404040404040404, 0, 0);
    const __mmask64 bit[4] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00};
    const __m512i last = _mm512_set1_epi8(15);
    for (size_t c = 0; c < channels; c += 16, tables += GROUP_BYTES) {
        __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(x + c)));
        __m512i plus = _mm512_maskz_shuffle_epi8(bit[0], levels, lanes);
        UNROLL for (int j = 1; j < 4; j++)
            plus = _mm512_mask_add_epi8(plus, bit[j], plus, _mm512_shuffle_epi8(levels, _mm512_add_epi8(lanes, _mm512_set1_epi8((char)j))));
        // Σ ±x = 2·Σ of those with plus − Σ of all, which entry 15 of each lane is.
        __m512i all = _mm512_shuffle_epi8(plus, last);
        _mm512_storeu_si512(tables, _mm512_sub_epi8(_mm512_add_epi8(plus, plus), all));
    }
}

static void expand(const uint8_t *x, size_t positions, size_t channels, void *to, int32_t *sums) {
    tables_of(x, positions * channels, to);
}

static void pack_integer_weights(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 4; i++) ((int8_t *)to)[4 * o + i] = integer_weights[o * output + i * input];
}

/// [16 outputs][4], what `vpermb` takes from the tables for channels 4g…4g + 3: 16·g + Σ_j 2^j·[code of channel 4g + j is +1].
static void pack_indices(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t g = 0; g < 4; g++) {
            uint8_t index = (uint8_t)(16 * g);
            for (size_t j = 0; j < 4; j++) index |= (uint8_t)((integer_weights[o * output + (4 * g + j) * input] > 0) << j);
            ((uint8_t *)to)[4 * o + g] = index;
        }
}

static int fits_tables(const struct ck_unit *u) { return u->binary && u->input_qmax <= 15; }

static size_t positions(size_t rest) {
    if (rest % 8 == 0 || rest > 14) return 8;
    if (rest % 7 == 0) return 7;
    return rest > 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
}

const struct unit_kernels unit_kernels_vnni = {
    .name = "vnni", .needs = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI, .group_channels = 4, .channel_bytes = 1, .pack = pack_integer_weights,
    .positions = positions, .blocks = MOST_BLOCKS, .tile = KIND_CODES_tile, .first = KIND_FIRST_tile};

const struct unit_kernels unit_kernels_vbmi_tables = {
    .name = "tables", .needs = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI | CK_HAS_AVX512_VBMI, .fits = fits_tables, .group_channels = 16,
    .channel_bytes = 4, .pack = pack_indices, .expand = expand, .positions = positions, .blocks = MOST_BLOCKS,
    .tile = KIND_TABLES_tile, .first = KIND_FIRST_tile};
#endif
