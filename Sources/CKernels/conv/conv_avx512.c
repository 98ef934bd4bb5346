// SPDX-License-Identifier: GPL-3.0-or-later
// The register blocks with AVX-512: `vpdpbusd` and `vpdpwssd` (VNNI) for levels and s16 gradients, `vdpbf16ps` (BF16) for bf16.
#include "conv_blocks.h"

#if defined(__x86_64__)
#include <float.h>
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
    if (pass == S16_TO_BF16) return _mm512_dpwssd_epi32(sums, x, w);
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sums), (__m512bh)x, (__m512bh)w));
}

/// scale · sums rounded to nearest, ties to even: `bf16_from_float`. The instruction takes numbers that are not normal for zero, so it
/// serves while the scale, which no product of a whole number but 0 is below, is normal.
STEP __m256i scaled(__m512i whole, float scale) {
    __m512i sums = _mm512_castps_si512(_mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_set1_ps(scale)));
    if (!(scale < FLT_MIN)) return (__m256i)_mm512_cvtneps_pbh(_mm512_castsi512_ps(sums));
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(sums, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(sums, _mm512_set1_epi32(0x7fff)), odd), 16);
    __m512i nan = _mm512_or_si512(_mm512_srli_epi32(sums, 16), _mm512_set1_epi32(0x40));
    __mmask16 is_nan = _mm512_cmp_ps_mask(_mm512_castsi512_ps(sums), _mm512_castsi512_ps(sums), _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_nan, up, nan));
}

STEP void store(char *to, __m512i sums, enum conv_pass pass, float scale) {
    switch (pass) {
    case S16_TO_BF16: _mm256_storeu_si256((__m256i *)to, scaled(sums, scale)); break;
    case FORWARD_S16: _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(sums)); break;
    case BF16_TO_BF16: _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(_mm512_castsi512_ps(sums))); break;
    default: _mm512_storeu_si512(to, sums);
    }
}
STEP size_t stored_bytes(enum conv_pass pass) { return pass == FORWARD_S16 || pass == BF16_TO_BF16 || pass == S16_TO_BF16 ? 32 : 64; }

/// All sizes are constants at each call, so the sums live in registers. Sums of bf16 are rounded, so their order must not depend on
/// what else a tile holds: with `taps` 3 it is `shared_block`'s, tap by tap within each group.
STEP void block(const struct conv_block *b, size_t source_at, size_t target_at, enum conv_pass pass, int images, int positions,
                int blocks, int taps) {
    size_t column = b->source_position, tap = column / 4 * 64;
    __m512i sums[BLOCK_IMAGES * 2][2];
    UNROLL for (int p = 0; p < images * positions; p++)
        for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_setzero_si512();
    for (int r = 0; r < b->run_count; r++) {
        const char *source = b->source + source_at + b->runs[r].source, *weight = b->weight + b->runs[r].weight;
        for (size_t group = b->runs[r].groups / (size_t)taps; group > 0; group--, source += 4, weight += 64)
            UNROLL for (int s = 0; s < taps; s++) {
                const char *from = source + (size_t)s * column;
                __m512i w[2];
                for (int o = 0; o < blocks; o++) w[o] = _mm512_loadu_si512(weight + (size_t)s * tap + (size_t)o * b->weight_block);
                UNROLL for (int p = 0; p < images * positions; p++) {
                    __m512i x = broadcast(from + (size_t)(p % images) * b->source_image + (size_t)(p / images) * column);
                    for (int o = 0; o < blocks; o++) sums[p][o] = add(sums[p][o], x, w[o], pass);
                }
            }
    }
    char *target = b->target + target_at;
    UNROLL for (int p = 0; p < images * positions; p++)
        for (int o = 0; o < blocks; o++)
            store(target + (size_t)(p % images) * b->target_image + (size_t)(p / images) * b->target_position
                      + (size_t)o * stored_bytes(pass),
                  sums[p][o], pass, b->scale);
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
            store(b->target + target_at + (size_t)n * b->target_image + (size_t)p * b->target_position, sums[n][p], pass, b->scale);
}

#define REPEAT(b, positions, body)                                                                                  \
    for (size_t i = 0, source_at = 0, target_at = 0; i < (b)->repeats;                                              \
         i++, source_at += (positions) * (b)->source_position, target_at += (positions) * (b)->target_position)     \
        body
#define TILE(pass, images, positions, blocks, taps)                                                                 \
    FAST static void pass##_##images##positions##blocks##taps(const struct conv_block *b) {                         \
        REPEAT(b, positions, block(b, source_at, target_at, pass, images, positions, blocks, taps));                \
    }
#define TILES(pass)                                                                                                 \
    TILE(pass, 8, 1, 2, 1) TILE(pass, 1, 8, 2, 1) TILE(pass, 1, 1, 2, 1)                                            \
    TILE(pass, 8, 1, 1, 3) TILE(pass, 1, 8, 1, 3) TILE(pass, 1, 1, 1, 3)                                            \
    TILE(pass, 8, 2, 1, 1) TILE(pass, 8, 1, 1, 1) TILE(pass, 1, 8, 1, 1) TILE(pass, 1, 1, 1, 1)                     \
    FAST static void pass##_shared(const struct conv_block *b) {                                                    \
        REPEAT(b, 2, shared_block(b, source_at, target_at, pass));                                                  \
    }                                                                                                               \
    static const struct conv_tiles pass##_tiles = {11, {                                                            \
        {8, 1, 2, 0, pass##_8121}, {1, 8, 2, 0, pass##_1821}, {1, 1, 2, 0, pass##_1121},                            \
        {8, 2, 1, 1, pass##_shared}, {8, 1, 1, 1, pass##_8113}, {1, 8, 1, 1, pass##_1813}, {1, 1, 1, 1, pass##_1113}, \
        {8, 2, 1, 0, pass##_8211}, {8, 1, 1, 0, pass##_8111}, {1, 8, 1, 0, pass##_1811}, {1, 1, 1, 0, pass##_1111}}};

TILES(FORWARD_S32)
TILES(FORWARD_S16)
TILES(BF16_TO_BF16)
TILES(S16_TO_BF16)

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

/// Adds sums of 32 bits to exact ones, and begins again.
STEP void flush(const struct conv_weight_block *b, __m512i sums[NARROW_INPUTS][2], int inputs, int blocks) {
    UNROLL for (int i = 0; i < inputs; i++)
        for (int o = 0; o < blocks; o++) {
            double *total = b->totals + (size_t)i * b->sums_row + 16 * o;
            __m512d low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(sums[i][o]));
            __m512d high = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(sums[i][o], 1));
            _mm512_storeu_pd(total, _mm512_add_pd(_mm512_loadu_pd(total), low));
            _mm512_storeu_pd(total + 8, _mm512_add_pd(_mm512_loadu_pd(total + 8), high));
            sums[i][o] = _mm512_setzero_si512();
        }
}

/// The same of s16.
STEP void weight_block_s16(const struct conv_weight_block *b, int inputs, int blocks) {
    __m512i sums[NARROW_INPUTS][2];
    UNROLL for (int i = 0; i < inputs; i++)
        for (int o = 0; o < blocks; o++) {
            sums[i][o] = _mm512_setzero_si512();
            for (int c = 0; c < 16; c++) b->totals[(size_t)i * b->sums_row + 16 * o + c] = 0;
        }
    size_t room = b->most;
    for (size_t row = 0; row < b->rows; row++)
        for (size_t column = 0; column < b->columns; column++) {
            const uint32_t *x = b->x + (row * b->x_row + column * b->x_column) * (size_t)inputs;
            const uint32_t *dy = b->dy + (row * b->dy_row + column * b->dy_column) * (size_t)(16 * blocks);
            for (size_t left = b->run; left > 0;) {
                size_t part = left < room ? left : room;
                left -= part, room -= part;
                for (; part > 0; part--, x += inputs, dy += 16 * blocks) {
                    __m512i g[2];
                    for (int o = 0; o < blocks; o++) g[o] = _mm512_loadu_si512(dy + 16 * o);
                    UNROLL for (int i = 0; i < inputs; i++)
                        for (int o = 0; o < blocks; o++) sums[i][o] = _mm512_dpwssd_epi32(sums[i][o], _mm512_set1_epi32((int)x[i]), g[o]);
                }
                if (room == 0) flush(b, sums, inputs, blocks), room = b->most;
            }
        }
    flush(b, sums, inputs, blocks);
}
FAST static void weight_narrow_s16(const struct conv_weight_block *b) { weight_block_s16(b, NARROW_INPUTS, 1); }
FAST static void weight_wide_s16(const struct conv_weight_block *b) { weight_block_s16(b, WIDE_INPUTS, 2); }
FAST static void weight_narrow(const struct conv_weight_block *b) { weight_block(b, NARROW_INPUTS, 1); }
FAST static void weight_wide(const struct conv_weight_block *b) { weight_block(b, WIDE_INPUTS, 2); }

/// The bits of 16 levels as f32; integers to 255 fit a bf16, so the lower halves are zero.
STEP __m512i level_bits(const void *levels, size_t at) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)((const uint8_t *)levels + at));
    return _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
}
STEP __m512i level_words(const void *levels, size_t at) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)((const uint8_t *)levels + at)));
}
STEP __m512i number_bits(const void *values, size_t at) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)((const uint16_t *)values + at)));
}
STEP __m512i bits_at(const void *values, enum conv_paired kind, size_t at) {
    if (kind == PAIR_LEVELS_BF16) return _mm512_srli_epi32(level_bits(values, at), 16);
    return kind == PAIR_LEVELS_S16 ? level_words(values, at) : number_bits(values, at);
}

/// 16 channels at a time: two panels of 8, one of 16, or half a panel of 32.
STEP void pack(const struct conv_pair_packing *p, enum conv_paired kind, size_t block) {
    __m512i kept = _mm512_set1_epi32(p->single ? 0xffff : -1);
    size_t pixel_step = p->pairs * block, panel = p->pixels * pixel_step;
    for (size_t c = 0; c < p->channels; c += 16) {
        uint32_t *to = p->to + c / block * panel + c % block;
        for (size_t pixel = 0; pixel < p->pixels; pixel++, to += pixel_step) {
            size_t at = pixel * p->channels + c;
            __m512i pairs = _mm512_or_si512(bits_at(p->a, kind, at), _mm512_slli_epi32(bits_at(p->b, kind, at), 16));
            pairs = _mm512_and_si512(pairs, kept);
            if (block >= 16) {
                _mm512_storeu_si512(to, pairs);
            } else {
                _mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(pairs));
                _mm256_storeu_si256((__m256i *)(to + panel), _mm512_extracti64x4_epi64(pairs, 1));
            }
        }
    }
}
STEP void pack_any(const struct conv_pair_packing *p, enum conv_paired kind) {
    if (p->block == WIDE_OUTPUTS) pack(p, kind, WIDE_OUTPUTS);
    else if (p->block == WIDE_INPUTS) pack(p, kind, WIDE_INPUTS);
    else pack(p, kind, NARROW_OUTPUTS);
}
FAST static void pair(const struct conv_pair_packing *p) {
    if (p->kind == PAIR_NUMBERS) pack_any(p, PAIR_NUMBERS);
    else if (p->kind == PAIR_LEVELS_S16) pack_any(p, PAIR_LEVELS_S16);
    else pack_any(p, PAIR_LEVELS_BF16);
}

const struct conv_kernels conv_kernels_avx512 = {
    .tiles = {[FORWARD_S32] = &FORWARD_S32_tiles, [FORWARD_S16] = &FORWARD_S16_tiles,
              [BF16_TO_BF16] = &BF16_TO_BF16_tiles, [S16_TO_BF16] = &S16_TO_BF16_tiles},
    .pair = pair, .narrow = weight_narrow, .wide = weight_wide, .narrow_s16 = weight_narrow_s16, .wide_s16 = weight_wide_s16};
#endif
