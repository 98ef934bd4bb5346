// SPDX-License-Identifier: GPL-3.0-or-later
// The register blocks with AVX-512: `vpdpbusd` (VNNI) for levels, `vdpbf16ps` (BF16) for values and gradients.
#include "conv_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16"
#define FAST __attribute__((target(TARGET)))
#define UNROLL _Pragma("clang loop unroll(full)")
#define STEP static inline __attribute__((always_inline, target(TARGET)))

STEP __m512i broadcast(const char *group) {
    int bits;
    __builtin_memcpy(&bits, group, 4);
    return _mm512_set1_epi32(bits);
}

/// Adds to `sums` the products of one broadcast source group with 16 target channels' weights.
STEP __m512i add(__m512i sums, __m512i x, __m512i w, enum conv_pass pass) {
    if (pass == FORWARD_S32 || pass == FORWARD_S16) return _mm512_dpbusd_epi32(sums, x, w);
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sums), (__m512bh)x, (__m512bh)w));
}

STEP void store(char *to, __m512i sums, enum conv_pass pass) {
    switch (pass) {
    case FORWARD_S16: _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(sums)); break;
    case BF16_TO_BF16: _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(_mm512_castsi512_ps(sums))); break;
    default: _mm512_storeu_si512(to, sums);
    }
}
STEP size_t stored_bytes(enum conv_pass pass) { return pass == FORWARD_S16 || pass == BF16_TO_BF16 ? 32 : 64; }

/// All sizes are constants at each call, so the sums live in registers.
STEP void block(const struct conv_block *b, size_t source_at, size_t target_at, enum conv_pass pass, int images, int positions,
                int blocks) {
    __m512i sums[BLOCK_IMAGES * 2][2];
    UNROLL for (int p = 0; p < images * positions; p++)
        for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_setzero_si512();
    for (int r = 0; r < b->run_count; r++) {
        const char *source = b->source + source_at + b->runs[r].source, *weight = b->weight + b->runs[r].weight;
        for (size_t group = b->runs[r].groups; group > 0; group--, source += 4, weight += 64) {
            __m512i w[2];
            for (int o = 0; o < blocks; o++) w[o] = _mm512_loadu_si512(weight + (size_t)o * b->weight_block);
            UNROLL for (int p = 0; p < images * positions; p++) {
                __m512i x = broadcast(source + (size_t)(p % images) * b->source_image + (size_t)(p / images) * b->source_position);
                for (int o = 0; o < blocks; o++) sums[p][o] = add(sums[p][o], x, w[o], pass);
            }
        }
    }
    char *target = b->target + target_at;
    UNROLL for (int p = 0; p < images * positions; p++)
        for (int o = 0; o < blocks; o++)
            store(target + (size_t)(p % images) * b->target_image + (size_t)(p / images) * b->target_position
                      + (size_t)o * stored_bytes(pass),
                  sums[p][o], pass);
}

/// For 16 target channels the broadcasts are the bottleneck. Neighbouring positions share source columns, so a block of
/// 8 images × 2 positions × 16 channels with all three taps in a row broadcasts four columns for six products.
STEP void shared_block(const struct conv_block *b, size_t source_at, size_t target_at, enum conv_pass pass) {
    __m512i sums[BLOCK_IMAGES][2];
    UNROLL for (int n = 0; n < BLOCK_IMAGES; n++) sums[n][0] = sums[n][1] = _mm512_setzero_si512();
    size_t column = b->source_position, tap = column / 4 * 64;
    for (int r = 0; r < b->run_count; r++) {
        const char *source = b->source + source_at + b->runs[r].source, *weight = b->weight + b->runs[r].weight;
        for (size_t group = column / 4; group > 0; group--, source += 4, weight += 64) {
            __m512i w[3];
            for (size_t s = 0; s < 3; s++) w[s] = _mm512_loadu_si512(weight + s * tap);
            UNROLL for (size_t s = 0; s < 4; s++)
                UNROLL for (size_t n = 0; n < BLOCK_IMAGES; n++) {
                    __m512i x = broadcast(source + n * b->source_image + s * column);
                    if (s < 3) sums[n][0] = add(sums[n][0], x, w[s], pass);
                    if (s > 0) sums[n][1] = add(sums[n][1], x, w[s - 1], pass);
                }
        }
    }
    UNROLL for (int n = 0; n < BLOCK_IMAGES; n++)
        for (int p = 0; p < 2; p++)
            store(b->target + target_at + (size_t)n * b->target_image + (size_t)p * b->target_position, sums[n][p], pass);
}

#define REPEAT(b, positions, body)                                                                                  \
    for (size_t i = 0, source_at = 0, target_at = 0; i < (b)->repeats;                                              \
         i++, source_at += (positions) * (b)->source_position, target_at += (positions) * (b)->target_position)     \
        body
#define TILE(pass, images, positions, blocks)                                                                       \
    FAST static void pass##_##images##positions##blocks(const struct conv_block *b) {                               \
        REPEAT(b, positions, block(b, source_at, target_at, pass, images, positions, blocks));                      \
    }
#define TILES(pass)                                                                                                 \
    TILE(pass, 8, 1, 2) TILE(pass, 1, 8, 2) TILE(pass, 1, 1, 2)                                                     \
    TILE(pass, 8, 2, 1) TILE(pass, 8, 1, 1) TILE(pass, 1, 8, 1) TILE(pass, 1, 1, 1)                                 \
    FAST static void pass##_shared(const struct conv_block *b) {                                                    \
        REPEAT(b, 2, shared_block(b, source_at, target_at, pass));                                                  \
    }                                                                                                               \
    static const struct conv_tiles pass##_tiles = {8, {                                                             \
        {8, 1, 2, 0, pass##_812}, {1, 8, 2, 0, pass##_182}, {1, 1, 2, 0, pass##_112}, {8, 2, 1, 1, pass##_shared},  \
        {8, 2, 1, 0, pass##_821}, {8, 1, 1, 0, pass##_811}, {1, 8, 1, 0, pass##_181}, {1, 1, 1, 0, pass##_111}}};

TILES(FORWARD_S32)
TILES(FORWARD_S16)
TILES(BF16_TO_F32)
TILES(BF16_TO_BF16)

/// The weight gradient's sums for `inputs` × (16·`blocks`) channels.
STEP void weight_block(const struct conv_weight_block *b, int inputs, int blocks) {
    __m512 sums[NARROW_INPUTS][2];
    UNROLL for (int i = 0; i < inputs; i++)
        for (int o = 0; o < blocks; o++) sums[i][o] = _mm512_setzero_ps();
    for (size_t row = 0; row < b->rows; row++)
        for (size_t column = 0; column < b->columns; column++) {
            const uint32_t *x = b->x + (row * b->x_row + column * b->x_column) * (size_t)inputs;
            const uint32_t *dy = b->dy + (row * b->dy_row + column * b->dy_column) * (size_t)(16 * blocks);
            for (size_t pair = b->run; pair > 0; pair--, x += inputs, dy += 16 * blocks) {
                __m512bh g[2];
                for (int o = 0; o < blocks; o++) g[o] = (__m512bh)_mm512_loadu_si512(dy + 16 * o);
                UNROLL for (int i = 0; i < inputs; i++) {
                    __m512bh level = (__m512bh)_mm512_set1_epi32((int)x[i]);
                    for (int o = 0; o < blocks; o++) sums[i][o] = _mm512_dpbf16_ps(sums[i][o], level, g[o]);
                }
            }
        }
    UNROLL for (int i = 0; i < inputs; i++)
        for (int o = 0; o < blocks; o++) _mm512_storeu_ps(b->sums + (size_t)i * b->sums_row + 16 * o, sums[i][o]);
}
FAST static void weight_narrow(const struct conv_weight_block *b) { weight_block(b, NARROW_INPUTS, 1); }
FAST static void weight_wide(const struct conv_weight_block *b) { weight_block(b, WIDE_INPUTS, 2); }

/// The bits of 16 levels as f32; integers to 255 fit a bf16, so the lower halves are zero.
STEP __m512i level_bits(const void *levels, size_t at) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)((const uint8_t *)levels + at));
    return _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
}
STEP __m512i bf16_bits(const void *values, size_t at) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)((const uint16_t *)values + at)));
}
STEP __m512i paired(const struct conv_pair_packing *p, int levels, size_t at) {
    return levels ? _mm512_or_si512(_mm512_srli_epi32(level_bits(p->a, at), 16), level_bits(p->b, at))
                  : _mm512_or_si512(bf16_bits(p->a, at), _mm512_slli_epi32(bf16_bits(p->b, at), 16));
}

/// 16 channels at a time: two panels of 8, one of 16, or half a panel of 32.
STEP void pack(const struct conv_pair_packing *p, int levels, size_t block) {
    __m512i kept = _mm512_set1_epi32(p->single ? 0xffff : -1);
    size_t pixel_step = p->pairs * block, panel = p->pixels * pixel_step;
    for (size_t c = 0; c < p->channels; c += 16) {
        uint32_t *to = p->to + c / block * panel + c % block;
        for (size_t pixel = 0; pixel < p->pixels; pixel++, to += pixel_step) {
            __m512i pairs = _mm512_and_si512(paired(p, levels, pixel * p->channels + c), kept);
            if (block >= 16) {
                _mm512_storeu_si512(to, pairs);
            } else {
                _mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(pairs));
                _mm256_storeu_si256((__m256i *)(to + panel), _mm512_extracti64x4_epi64(pairs, 1));
            }
        }
    }
}
FAST static void pair_levels(const struct conv_pair_packing *p) {
    if (p->block == WIDE_INPUTS) pack(p, 1, WIDE_INPUTS);
    else pack(p, 1, NARROW_INPUTS);
}
FAST static void pair_bf16(const struct conv_pair_packing *p) {
    if (p->block == WIDE_OUTPUTS) pack(p, 0, WIDE_OUTPUTS);
    else if (p->block == WIDE_INPUTS) pack(p, 0, WIDE_INPUTS);
    else pack(p, 0, NARROW_OUTPUTS);
}

const struct conv_kernels conv_kernels_avx512 = {
    .tiles = {[FORWARD_S32] = &FORWARD_S32_tiles, [FORWARD_S16] = &FORWARD_S16_tiles, [BF16_TO_F32] = &BF16_TO_F32_tiles,
              [BF16_TO_BF16] = &BF16_TO_BF16_tiles},
    .pair_levels = pair_levels, .pair_bf16 = pair_bf16, .narrow = weight_narrow, .wide = weight_wide};
#endif
