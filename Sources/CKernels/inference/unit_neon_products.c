// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference with NEON by products: of 16-bit words by `smlal`, of bytes by `sdot` (dotprod) and `usmmla` (i8mm); and the
// first unit in f32.
#include "unit_neon.h"

#if defined(__aarch64__)

typedef int32x4_t sixteen_sums[MOST_POSITIONS][QUARTERS];

STEP void clear(sixteen_sums sums, int positions) {
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int i = 0; i < QUARTERS; i++) sums[p][i] = vdupq_n_s32(0);
}

STEP void finish_all(const struct unit_tile *t, sixteen_sums sums, int positions) {
    UNROLL for (int p = 0; p < positions; p++) finish_integers(t, sums[p], 0, (size_t)p * t->y_position);
}

// MARK: Words

/// Channel `lane` of eight: weights [16 outputs] of 16 bits.
#define ADD_WORDS(lane)                                                                                       \
    {                                                                                                         \
        int16x8_t low = vld1q_s16(weight + BLOCK * lane), high = vld1q_s16(weight + BLOCK * lane + 8);        \
        UNROLL for (int p = 0; p < positions; p++) {                                                          \
            sums[p][0] = vmlal_laneq_s16(sums[p][0], vget_low_s16(low), levels[p], lane);                     \
            sums[p][1] = vmlal_high_laneq_s16(sums[p][1], low, levels[p], lane);                              \
            sums[p][2] = vmlal_laneq_s16(sums[p][2], vget_low_s16(high), levels[p], lane);                    \
            sums[p][3] = vmlal_high_laneq_s16(sums[p][3], high, levels[p], lane);                             \
        }                                                                                                     \
    }

/// The sums of all rows' groups from `first_x` and `first_weight` on.
STEP void add_words(sixteen_sums sums, const struct unit_tile *t, const char *first_x, const char *first_weight, int positions) {
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = first_x + r * t->x_row;
        const int16_t *weight = (const int16_t *)(first_weight + r * t->weight_row);
        for (size_t group = t->groups; group > 0; group--, x += 16, weight += 8 * BLOCK) {
            int16x8_t levels[MOST_POSITIONS];
            UNROLL for (int p = 0; p < positions; p++) levels[p] = vld1q_s16((const int16_t *)(x + (size_t)p * t->x_position));
            ADD_WORDS(0) ADD_WORDS(1) ADD_WORDS(2) ADD_WORDS(3) ADD_WORDS(4) ADD_WORDS(5) ADD_WORDS(6) ADD_WORDS(7)
        }
    }
}

STEP void words_tile(const struct unit_tile *t, int positions) {
    sixteen_sums sums;
    clear(sums, positions);
    add_words(sums, t, t->x, t->weight, positions);
    finish_all(t, sums, positions);
}

/// [8 channels][16 outputs].
static void pack_words(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t i = 0; i < 8; i++)
        for (size_t o = 0; o < BLOCK; o++) ((int16_t *)to)[BLOCK * i + o] = integer_weights[o * output + i * input];
}

static void expand_words(const uint8_t *x, size_t positions, size_t channels, void *to, int32_t *sums) {
    for (size_t i = 0; i < positions * channels; i += 8) vst1q_u16((uint16_t *)to + i, vmovl_u8(vld1_u8(x + i)));
}

// MARK: Bytes by `sdot`

/// Channels 4·lane to 4·lane + 3 of sixteen: weights [16 outputs][4].
#define ADD_FOURS(lane)                                                                                                \
    {                                                                                                                  \
        int8x16_t w[QUARTERS];                                                                                         \
        UNROLL for (int i = 0; i < QUARTERS; i++) w[i] = vld1q_s8(weight + GROUP_BYTES * lane + 16 * i);               \
        UNROLL for (int p = 0; p < positions; p++)                                                                     \
            UNROLL for (int i = 0; i < QUARTERS; i++) sums[p][i] = vdotq_laneq_s32(sums[p][i], w[i], levels[p], lane); \
    }

STEP WITH("dotprod") void fours_tile(const struct unit_tile *t, int positions) {
    sixteen_sums sums;
    clear(sums, positions);
    for (size_t r = 0; r < t->rows; r++) {
        const int8_t *x = (const int8_t *)t->x + r * t->x_row, *weight = (const int8_t *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group -= 4, x += 16, weight += 4 * GROUP_BYTES) {
            int8x16_t levels[MOST_POSITIONS];
            UNROLL for (int p = 0; p < positions; p++) levels[p] = vld1q_s8(x + (size_t)p * t->x_position);
            ADD_FOURS(0) ADD_FOURS(1) ADD_FOURS(2) ADD_FOURS(3)
        }
    }
    finish_all(t, sums, positions);
}

// MARK: Bytes by `usmmla`

// An instruction multiplies 2 positions × 8 channels by 8 channels × 2 outputs.
enum { PAIRS = BLOCK / 2, PAIR_GROUP_BYTES = 8 * BLOCK };

/// Eight channels of positions p and q, the low ones of sixteen or the high ones.
STEP uint8x16_t two_positions(uint8x16_t p, uint8x16_t q, int high) {
    uint64x2_t a = vreinterpretq_u64_u8(p), b = vreinterpretq_u64_u8(q);
    return vreinterpretq_u8_u64(high ? vzip2q_u64(a, b) : vzip1q_u64(a, b));
}

STEP WITH("i8mm") void pairs_tile(const struct unit_tile *t, int positions) {
    int32x4_t sums[MOST_POSITIONS / 2][PAIRS];
    const int couples = (positions + 1) / 2;  // the last one may be the same position twice
    UNROLL for (int c = 0; c < couples; c++)
        UNROLL for (int i = 0; i < PAIRS; i++) sums[c][i] = vdupq_n_s32(0);
    for (size_t r = 0; r < t->rows; r++) {
        const uint8_t *x = (const uint8_t *)t->x + r * t->x_row;
        const int8_t *weight = (const int8_t *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group -= 2, x += 16)
            UNROLL for (int half = 0; half < 2; half++, weight += PAIR_GROUP_BYTES) {
                uint8x16_t levels[MOST_POSITIONS / 2];
                UNROLL for (int c = 0; c < couples; c++) {
                    uint8x16_t first = vld1q_u8(x + (size_t)(2 * c) * t->x_position);
                    uint8x16_t second = 2 * c + 1 < positions ? vld1q_u8(x + (size_t)(2 * c + 1) * t->x_position) : first;
                    levels[c] = two_positions(first, second, half);
                }
                UNROLL for (int i = 0; i < PAIRS; i++) {
                    int8x16_t w = vld1q_s8(weight + 16 * i);
                    UNROLL for (int c = 0; c < couples; c++) sums[c][i] = vusmmlaq_s32(sums[c][i], levels[c], w);
                }
            }
    }
    UNROLL for (int p = 0; p < positions; p++) {
        int32x4_t mine[QUARTERS];
        UNROLL for (int i = 0; i < QUARTERS; i++) {
            int64x2_t a = vreinterpretq_s64_s32(sums[p / 2][2 * i]), b = vreinterpretq_s64_s32(sums[p / 2][2 * i + 1]);
            mine[i] = vreinterpretq_s32_s64(p % 2 ? vzip2q_s64(a, b) : vzip1q_s64(a, b));
        }
        finish_integers(t, mine, 0, (size_t)p * t->y_position);
    }
}

/// [16 outputs][8 channels].
static void pack_pairs(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 8; i++) ((int8_t *)to)[8 * o + i] = integer_weights[o * output + i * input];
}

// MARK: The first unit

STEP void bytes_tile(const struct unit_tile *t, int positions) {
    float32x4_t y[MOST_POSITIONS][QUARTERS];
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int i = 0; i < QUARTERS; i++) y[p][i] = vld1q_f32(t->b + t->column_classes[p] * t->b_class + 4 * i);
    for (size_t c = 0; c < t->colours; c++) {
        sixteen_sums sums;
        clear(sums, positions);
        add_words(sums, t, (const char *)t->x + c * t->x_colour, (const char *)t->weight + c * t->weight_colour, positions);
        UNROLL for (int i = 0; i < QUARTERS; i++) {
            float32x4_t a = vld1q_f32(t->a + c * t->a_colour + 4 * i);
            UNROLL for (int p = 0; p < positions; p++) y[p][i] = vfmaq_f32(y[p][i], a, vcvtq_f32_s32(sums[p][i]));
        }
    }
    UNROLL for (int p = 0; p < positions; p++) store_levels(t, y[p], (size_t)p * t->y_position);
}

STEP void first_tile(const struct unit_tile *t, int positions) {
    float32x4_t sums[MOST_POSITIONS][QUARTERS];
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int i = 0; i < QUARTERS; i++) sums[p][i] = vdupq_n_f32(0);
    for (size_t r = 0; r < t->rows; r++) {
        const float *x = (const float *)t->x + r * t->x_row, *weight = (const float *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group--, x++, weight += BLOCK)
            UNROLL for (int i = 0; i < QUARTERS; i++) {
                float32x4_t w = vld1q_f32(weight + 4 * i);
                UNROLL for (int p = 0; p < positions; p++) sums[p][i] = vfmaq_n_f32(sums[p][i], w, x[(size_t)p * t->x_position]);
            }
    }
    UNROLL for (int p = 0; p < positions; p++) finish(t, sums[p], t->a, t->b, (size_t)p * t->y_position);
}

// MARK: The paths

TILES(word_products, , words_tile)
TILES(four_products, WITH("dotprod"), fours_tile)
TILES(pair_products, WITH("i8mm"), pairs_tile)
TILES(first, , first_tile)
TILES(colours, , bytes_tile)

static const struct unit_tiling words = TILING(word_products), fours = TILING(four_products), pairs = TILING(pair_products);
static const struct unit_tiling bytes = TILING(colours);
const struct unit_tiling unit_neon_first = TILING(first);

static int levels_have_a_sign_bit(const struct ck_unit *u) { return u->input_qmax <= INT8_MAX; }

const struct unit_kernels unit_kernels_neon_words = {
    .name = "neon-words", .needs = CK_HAS_NEON, .group_channels = 8, .group_bytes = 8 * BLOCK * sizeof(int16_t), .channel_bytes = 2,
    .pack = pack_words, .expand = expand_words, .sums = &words, .first = &unit_neon_first, .bytes = &bytes};

const struct unit_kernels unit_kernels_sdot = {
    .name = "sdot", .needs = CK_HAS_NEON | CK_HAS_DOTPROD, .fits = levels_have_a_sign_bit, .group_channels = 4,
    .group_bytes = GROUP_BYTES, .channel_bytes = 1, .pack = pack_fours, .sums = &fours, .first = &unit_neon_first};

const struct unit_kernels unit_kernels_usmmla = {
    .name = "usmmla", .needs = CK_HAS_NEON | CK_HAS_I8MM, .group_channels = 8, .group_bytes = PAIR_GROUP_BYTES, .channel_bytes = 1,
    .pack = pack_pairs, .sums = &pairs, .first = &unit_neon_first};
#endif
