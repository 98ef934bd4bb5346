// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference with NEON: table lookup by `tbl`.
//
// U[p] = Σ_j (bit j of p)·x_j over four channels, as in unit_avx2_tables.c; a register holds one table, and `tbl` looks up 16
// outputs in it. A group of 16 channels takes four registers.
#include "unit_neon.h"

#if defined(__aarch64__)

enum { LOOKUPS = 4, MOST_BLOCKS = 2 };  // so many of at most 4·15 each add up within a byte

/// 64 bytes of tables for each 16 channels. `pairs` holds 0, x_i, x_i+1 and their sum for four pairs of channels.
static void expand(const uint8_t *x, size_t positions, size_t channels, void *tables, int32_t *sums) {
    const uint8x16_t odd = {255, 0, 255, 0, 255, 2, 255, 2, 255, 4, 255, 4, 255, 6, 255, 6};
    const uint8x16_t even = {255, 255, 1, 1, 255, 255, 3, 3, 255, 255, 5, 5, 255, 255, 7, 7};
    const uint8x16_t low = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}, high = {4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7};
    const uint8x16_t other = vdupq_n_u8(8), low8 = vaddq_u8(low, other), high8 = vaddq_u8(high, other);
    uint8_t *to = tables;
    for (size_t p = 0; p < positions; p++) {
        uint32_t sum = 0;
        for (size_t c = 0; c < channels; c += 8, x += 8, to += 32) {
            uint8x8_t levels = vld1_u8(x);
            uint8x16_t eight = vcombine_u8(levels, vdup_n_u8(0));
            uint8x16_t pairs = vaddq_u8(vqtbl1q_u8(eight, odd), vqtbl1q_u8(eight, even));
            vst1q_u8(to, vaddq_u8(vqtbl1q_u8(pairs, low), vqtbl1q_u8(pairs, high)));
            vst1q_u8(to + 16, vaddq_u8(vqtbl1q_u8(pairs, low8), vqtbl1q_u8(pairs, high8)));
            sum += vaddlv_u8(levels);
        }
        sums[p] = (int32_t)sum;
    }
}

/// [4][16 outputs]: which entry of its table an output takes.
static void pack_indices(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t g = 0; g < 4; g++)
        for (size_t o = 0; o < BLOCK; o++) ((uint8_t *)to)[BLOCK * g + o] = table_index(integer_weights, output, input, o, 4 * g, 0);
}

typedef uint16x8_t word_sums[MOST_POSITIONS][MOST_BLOCKS][2];
typedef int32x4_t long_sums[MOST_POSITIONS][MOST_BLOCKS][QUARTERS];

STEP void look_up(const struct unit_tile *t, word_sums words, const uint8_t *x, const uint8_t *weight, int positions, int blocks) {
    uint8x16_t bytes[MOST_POSITIONS][MOST_BLOCKS];
    UNROLL for (int k = 0; k < LOOKUPS; k++) {
        uint8x16_t index[MOST_BLOCKS];
        UNROLL for (int o = 0; o < blocks; o++) index[o] = vld1q_u8(weight + (size_t)o * t->weight_block + 16 * k);
        UNROLL for (int p = 0; p < positions; p++) {
            uint8x16_t table = vld1q_u8(x + (size_t)p * t->x_position + 16 * k);
            UNROLL for (int o = 0; o < blocks; o++) {
                uint8x16_t found = vqtbl1q_u8(table, index[o]);
                bytes[p][o] = k == 0 ? found : vaddq_u8(bytes[p][o], found);
                __asm__ volatile("" : "+w"(bytes[p][o]));  // not pairs of look-ups first: there are not enough registers
            }
        }
    }
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) {
            words[p][o][0] = vaddw_u8(words[p][o][0], vget_low_u8(bytes[p][o]));
            words[p][o][1] = vaddw_high_u8(words[p][o][1], bytes[p][o]);
        }
}

STEP void clear(word_sums words, int positions, int blocks) {
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) words[p][o][0] = words[p][o][1] = vdupq_n_u16(0);
}

STEP int32x4_t quarter(const uint16x8_t words[2], int i) {
    uint16x8_t half = words[i / 2];
    return vreinterpretq_s32_u32(i % 2 ? vmovl_high_u16(half) : vmovl_u16(vget_low_u16(half)));
}

/// `flushes`: whether 16 bits hold the sum of one kernel row, but not that of all.
STEP void tables_tile(const struct unit_tile *t, int flushes, int positions, int blocks) {
    word_sums words;
    long_sums before;
    clear(words, positions, blocks);
    UNROLL for (int p = 0; flushes && p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++)
            UNROLL for (int i = 0; i < QUARTERS; i++) before[p][o][i] = vdupq_n_s32(0);
    for (size_t r = 0; r < t->rows; r++) {
        const uint8_t *x = (const uint8_t *)t->x + r * t->x_row, *weight = (const uint8_t *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group--, x += GROUP_BYTES, weight += GROUP_BYTES)
            look_up(t, words, x, weight, positions, blocks);
        if (!flushes) continue;
        UNROLL for (int p = 0; p < positions; p++)
            UNROLL for (int o = 0; o < blocks; o++)
                UNROLL for (int i = 0; i < QUARTERS; i++) before[p][o][i] = vaddq_s32(before[p][o][i], quarter(words[p][o], i));
        clear(words, positions, blocks);
    }
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) {
            int32x4_t sums[QUARTERS];
            UNROLL for (int i = 0; i < QUARTERS; i++) {
                int32x4_t chosen = flushes ? before[p][o][i] : quarter(words[p][o], i);
                sums[i] = vsubq_s32(vaddq_s32(chosen, chosen), vdupq_n_s32(t->window_sums[p]));  // Σ ±x = 2·ΣU − Σx
            }
            finish_integers(t, sums, o, (size_t)p * t->y_position);
        }
}

STEP void either_tile(const struct unit_tile *t, int positions, int blocks) {
    if (t->rows * t->groups <= t->flush) tables_tile(t, 0, positions, blocks);
    else tables_tile(t, 1, positions, blocks);
}

TILES(look_ups_1, , either_tile, 1)
TILES(look_ups_2, , either_tile, 2)
static unit_tile_fn *look_ups(size_t positions, size_t blocks) { return (blocks == 2 ? look_ups_2 : look_ups_1)(positions, blocks); }

static const struct unit_tiling tiling = {.positions = up_to_four, .blocks = MOST_BLOCKS, .tile = look_ups};

/// Groups of 16 channels that 16 bits hold; they must hold one kernel row.
static size_t flush(const struct ck_unit *u) { return UINT16_MAX / (16 * 15); }
static int fits(const struct ck_unit *u) {
    return u->binary && u->input_qmax <= 15 && u->kernel * (u->input_channels / 16) <= flush(u);
}

const struct unit_kernels unit_kernels_neon_tables = {
    .name = "neon-tables", .needs = CK_HAS_NEON, .fits = fits, .flush = flush, .group_channels = 16, .group_bytes = GROUP_BYTES,
    .channel_bytes = 4, .pack = pack_indices, .expand = expand, .window_sums = 1, .sums = &tiling, .first = &unit_neon_first};
#endif
