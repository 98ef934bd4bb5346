// SPDX-License-Identifier: GPL-3.0-or-later
// The register blocks in plain C, which the compiler vectorises for each x86-64 level and for arm64.
#include "common/bf16.h"
#include "conv_blocks.h"
#include "common/kernel.h"

CK_INLINE void level_sums(const struct conv_block *b, int32_t *restrict sums) {
    for (int o = 0; o < BLOCK_CHANNELS; o++) sums[o] = 0;
    for (int r = 0; r < b->run_count; r++) {
        const uint8_t *x = (const uint8_t *)b->source + b->runs[r].source;
        const int8_t *w = (const int8_t *)b->weight + b->runs[r].weight;
        for (size_t group = b->runs[r].groups; group > 0; group--, x += LEVEL_GROUP, w += BLOCK_CHANNELS * LEVEL_GROUP)
            for (int o = 0; o < BLOCK_CHANNELS; o++) {
                const int8_t *q = w + o * LEVEL_GROUP;
                sums[o] += x[0] * q[0] + x[1] * q[1] + x[2] * q[2] + x[3] * q[3];
            }
    }
}

CK_INLINE void bf16_sums(const struct conv_block *b, float *restrict sums) {
    for (int o = 0; o < BLOCK_CHANNELS; o++) sums[o] = 0;
    for (int r = 0; r < b->run_count; r++) {
        const uint16_t *x = (const uint16_t *)(b->source + b->runs[r].source);
        const uint16_t *w = (const uint16_t *)(b->weight + b->runs[r].weight);
        for (size_t group = b->runs[r].groups; group > 0; group--, x += PAIR, w += BLOCK_CHANNELS * PAIR) {
            float x0 = bf16_to_float(x[0]), x1 = bf16_to_float(x[1]);
            for (int o = 0; o < BLOCK_CHANNELS; o++)
                sums[o] += x0 * bf16_to_float(w[2 * o]) + x1 * bf16_to_float(w[2 * o + 1]);
        }
    }
}

CK_INLINE void word_sums(const struct conv_block *b, int32_t *restrict sums) {
    for (int o = 0; o < BLOCK_CHANNELS; o++) sums[o] = 0;
    for (int r = 0; r < b->run_count; r++) {
        const int16_t *x = (const int16_t *)(b->source + b->runs[r].source);
        const int16_t *w = (const int16_t *)(b->weight + b->runs[r].weight);
        for (size_t group = b->runs[r].groups; group > 0; group--, x += PAIR, w += BLOCK_CHANNELS * PAIR)
            for (int o = 0; o < BLOCK_CHANNELS; o++) sums[o] += x[0] * w[2 * o] + x[1] * w[2 * o + 1];
    }
}

/// Runs `body` for each position, with `at` the block there.
#define REPEAT(b, body)                                                                             \
    struct conv_block at = *(b);                                                                    \
    for (size_t i = 0; i < (b)->repeats; i++, at.source += at.source_position, at.target += at.target_position) body

CK_KERNEL(void, forward_s32, (const struct conv_block *b), (b)) {
    REPEAT(b, level_sums(&at, (int32_t *)at.target));
}
CK_KERNEL(void, forward_s16, (const struct conv_block *b), (b)) {
    int32_t sums[BLOCK_CHANNELS];
    REPEAT(b, {
        level_sums(&at, sums);
        for (int o = 0; o < BLOCK_CHANNELS; o++) ((int16_t *)at.target)[o] = (int16_t)sums[o];
    })
}
CK_KERNEL(void, bf16_to_bf16, (const struct conv_block *b), (b)) {
    float sums[BLOCK_CHANNELS];
    REPEAT(b, {
        bf16_sums(&at, sums);
        for (int o = 0; o < BLOCK_CHANNELS; o++) ((uint16_t *)at.target)[o] = bf16_from_float(sums[o]);
    })
}
CK_KERNEL(void, s16_to_bf16, (const struct conv_block *b), (b)) {
    int32_t sums[BLOCK_CHANNELS];
    REPEAT(b, {
        word_sums(&at, sums);
        for (int o = 0; o < BLOCK_CHANNELS; o++) ((uint16_t *)at.target)[o] = bf16_from_float((float)sums[o] * b->scale);
    })
}

CK_INLINE void add_bf16(float *restrict sums, uint32_t x, const uint32_t *dy, size_t outputs) {
    float first = bf16_to_float((uint16_t)x), second = bf16_to_float((uint16_t)(x >> 16));
    for (size_t o = 0; o < outputs; o++)
        sums[o] += first * bf16_to_float((uint16_t)dy[o]) + second * bf16_to_float((uint16_t)(dy[o] >> 16));
}
CK_INLINE void add_s16(double *restrict totals, uint32_t x, const uint32_t *dy, size_t outputs) {
    int32_t first = (int16_t)x, second = (int16_t)(x >> 16);
    for (size_t o = 0; o < outputs; o++) totals[o] += first * (int16_t)dy[o] + second * (int16_t)(dy[o] >> 16);
}

CK_INLINE void weight_block(const struct conv_weight_block *b, size_t inputs, size_t outputs, int exact) {
    for (size_t i = 0; i < inputs; i++)
        for (size_t o = 0; o < outputs; o++) {
            if (exact) b->totals[i * b->sums_row + o] = 0;
            else b->sums[i * b->sums_row + o] = 0;
        }
    for (size_t row = 0; row < b->rows; row++)
        for (size_t column = 0; column < b->columns; column++) {
            const uint32_t *x = b->x + (row * b->x_row + column * b->x_column) * inputs;
            const uint32_t *dy = b->dy + (row * b->dy_row + column * b->dy_column) * outputs;
            for (size_t pair = b->run; pair > 0; pair--, x += inputs, dy += outputs)
                for (size_t i = 0; i < inputs; i++) {
                    if (exact) add_s16(b->totals + i * b->sums_row, x[i], dy, outputs);
                    else add_bf16(b->sums + i * b->sums_row, x[i], dy, outputs);
                }
        }
}
CK_KERNEL(void, weight_narrow, (const struct conv_weight_block *b), (b)) { weight_block(b, NARROW_INPUTS, NARROW_OUTPUTS, 0); }
CK_KERNEL(void, weight_wide, (const struct conv_weight_block *b), (b)) { weight_block(b, WIDE_INPUTS, WIDE_OUTPUTS, 0); }
CK_KERNEL(void, weight_narrow_s16, (const struct conv_weight_block *b), (b)) { weight_block(b, NARROW_INPUTS, NARROW_OUTPUTS, 1); }
CK_KERNEL(void, weight_wide_s16, (const struct conv_weight_block *b), (b)) { weight_block(b, WIDE_INPUTS, WIDE_OUTPUTS, 1); }

static uint32_t bf16_of_level(uint8_t level) {
    float value = level;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 16;
}
static uint32_t bits_at(const void *values, enum conv_paired kind, size_t at) {
    if (kind == PAIR_NUMBERS) return ((const uint16_t *)values)[at];
    uint8_t level = ((const uint8_t *)values)[at];
    return kind == PAIR_LEVELS_S16 ? level : bf16_of_level(level);
}
static void pair(const struct conv_pair_packing *p) {
    for (size_t pixel = 0; pixel < p->pixels; pixel++)
        for (size_t c = 0; c < p->channels; c++) {
            size_t at = pixel * p->channels + c;
            uint32_t a = bits_at(p->a, p->kind, at), b = bits_at(p->b, p->kind, at);
            p->to[((c / p->block) * p->pixels + pixel) * p->pairs * p->block + c % p->block] = p->single ? a : a | b << 16;
        }
}

#define ONE_TILE(run) &(const struct conv_tiles){1, {{1, 1, 1, 0, run}}}
#define COPY(copy)                                                                                                    \
    {.tiles = {[FORWARD_S32] = ONE_TILE(forward_s32_##copy), [FORWARD_S16] = ONE_TILE(forward_s16_##copy),            \
               [BF16_TO_BF16] = ONE_TILE(bf16_to_bf16_##copy),                                                        \
               [S16_TO_BF16] = ONE_TILE(s16_to_bf16_##copy)},                                                        \
     .pair = pair, .narrow = weight_narrow_##copy, .wide = weight_wide_##copy,                                        \
     .narrow_s16 = weight_narrow_s16_##copy, .wide_s16 = weight_wide_s16_##copy}
const struct conv_kernels conv_kernels_portable[] = {
    COPY(portable),
#if defined(__x86_64__)
    COPY(avx2), COPY(avx512),
#endif
};
