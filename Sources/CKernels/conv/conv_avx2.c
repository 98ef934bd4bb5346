// SPDX-License-Identifier: GPL-3.0-or-later
// The register blocks with AVX2: `vpmaddubsw` and `vpmaddwd` for levels and s16 gradients; bf16 widened to f32, with fused
// multiply-adds in the order of conv_portable.c, whose bits they give where it is compiled for AVX2.
#include "conv_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx2,fma"
#define FAST __attribute__((target(TARGET)))
#define UNROLL _Pragma("clang loop unroll(full)")
#define STEP static inline __attribute__((always_inline, target(TARGET)))

enum { MOST = 4 };  // images or positions of a block, with 16 channels each

STEP __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

STEP __m256i broadcast(const char *group) {
    int bits;
    __builtin_memcpy(&bits, group, 4);
    return _mm256_set1_epi32(bits);
}

/// The two bf16 of each 32-bit lane as f32.
STEP __m256 first_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
STEP __m256 second_of(__m256i pairs) { return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000))); }

/// sums + (x0·w0 + x1·w1), as C rounds it: the second product, then the first one fused, then the sum.
STEP __m256 add_pair(__m256 sums, __m256 x0, __m256 x1, __m256 w0, __m256 w1) {
    return _mm256_add_ps(sums, _mm256_fmadd_ps(x0, w0, _mm256_mul_ps(x1, w1)));
}

// MARK: Forward and input gradient

typedef __m256i block_sums[MOST][4];

/// Exact sums of 16 bits, [16 channels][2]: their limit (conv.h) holds for any part of them.
STEP void add_bytes(block_sums sums, int p, __m256i x, const __m256i *w) {
    UNROLL for (int h = 0; h < 2; h++) sums[p][h] = _mm256_add_epi16(sums[p][h], _mm256_maddubs_epi16(x, w[h]));
}
/// Exact sums of 32 bits, [16 channels][2], of x and w as words.
STEP void add_words(block_sums sums, int p, __m256i x, const __m256i *w) {
    UNROLL for (int h = 0; h < 4; h++) sums[p][h] = _mm256_add_epi32(sums[p][h], _mm256_madd_epi16(x, w[h]));
}
/// Exact sums of 32 bits, [8 channels][2], of pairs of words.
STEP void add_pairs(block_sums sums, int p, __m256i x, const __m256i *w) {
    UNROLL for (int h = 0; h < 2; h++) sums[p][h] = _mm256_add_epi32(sums[p][h], _mm256_madd_epi16(x, w[h]));
}
STEP void add_floats(block_sums sums, int p, __m256i x, const __m256i *w) {
    UNROLL for (int h = 0; h < 2; h++)
        sums[p][h] = _mm256_castps_si256(add_pair(
            _mm256_castsi256_ps(sums[p][h]), first_of(x), second_of(x), _mm256_castsi256_ps(w[2 * h]), _mm256_castsi256_ps(w[2 * h + 1])));
}

/// Rounded to nearest, ties to even, a NaN kept one: `bf16_from_float`, in the lower halves.
STEP __m256i rounded(__m256i sums) {
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(sums, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(0x7fff)), odd), 16);
    __m256i nan = _mm256_or_si256(_mm256_srli_epi32(sums, 16), _mm256_set1_epi32(0x40));
    __m256 floats = _mm256_castsi256_ps(sums), is_nan = _mm256_cmp_ps(floats, floats, _CMP_UNORD_Q);
    return _mm256_blendv_epi8(up, nan, _mm256_castps_si256(is_nan));
}

/// Sixteen words from the lower halves of 16 lanes; `pack` takes numbers that fit.
STEP void store_words(char *to, __m256i packed) { _mm256_storeu_si256((__m256i *)to, _mm256_permute4x64_epi64(packed, 0xd8)); }

STEP __m256i scaled(__m256i sums, float scale) {
    return _mm256_castps_si256(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale)));
}

STEP void store(char *to, const __m256i *sums, enum conv_pass pass, float scale) {
    const __m256i ones = _mm256_set1_epi16(1);
    switch (pass) {
    case FORWARD_S16:
        store_words(to, _mm256_packs_epi32(_mm256_madd_epi16(sums[0], ones), _mm256_madd_epi16(sums[1], ones)));
        break;
    case FORWARD_S32:
        UNROLL for (int h = 0; h < 2; h++)
            _mm256_storeu_si256(
                (__m256i *)to + h, _mm256_permute4x64_epi64(_mm256_hadd_epi32(sums[2 * h], sums[2 * h + 1]), 0xd8));
        break;
    case S16_TO_BF16:
        store_words(to, _mm256_packus_epi32(rounded(scaled(sums[0], scale)), rounded(scaled(sums[1], scale))));
        break;
    case BF16_TO_BF16: store_words(to, _mm256_packus_epi32(rounded(sums[0]), rounded(sums[1]))); break;
    default:
        _mm256_storeu_si256((__m256i *)to, sums[0]);
        _mm256_storeu_si256((__m256i *)to + 1, sums[1]);
    }
}

/// Weights of one group, 64 bytes: as they are, as words, or widened to f32, first and second ones.
STEP void load_weights(__m256i *w, const char *weight, enum conv_pass pass) {
    if (pass == FORWARD_S32) {
        UNROLL for (int h = 0; h < 4; h++) w[h] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)weight + h));
    } else if (pass == FORWARD_S16 || pass == S16_TO_BF16) {
        w[0] = load(weight), w[1] = load(weight + 32);
    } else {
        UNROLL for (int h = 0; h < 2; h++) {
            __m256i pairs = load(weight + 32 * h);
            w[2 * h] = _mm256_castps_si256(first_of(pairs)), w[2 * h + 1] = _mm256_castps_si256(second_of(pairs));
        }
    }
}

/// All sizes are constants at each call, so the sums live in registers. `step` leads from one image or position to the next.
STEP void block(const struct conv_block *b, size_t source_at, size_t target_at, enum conv_pass pass, int count, size_t source_step,
                size_t target_step) {
    block_sums sums;
    UNROLL for (int p = 0; p < count; p++)
        UNROLL for (int h = 0; h < 4; h++) sums[p][h] = _mm256_setzero_si256();
    for (int r = 0; r < b->run_count; r++) {
        const char *source = b->source + source_at + b->runs[r].source, *weight = b->weight + b->runs[r].weight;
        for (size_t group = b->runs[r].groups; group > 0; group--, source += 4, weight += 64) {
            __m256i w[4];
            load_weights(w, weight, pass);
            UNROLL for (int p = 0; p < count; p++) {
                __m256i x = broadcast(source + (size_t)p * source_step);
                if (pass == FORWARD_S16) add_bytes(sums, p, x, w);
                else if (pass == FORWARD_S32) add_words(sums, p, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(x)), w);
                else if (pass == S16_TO_BF16) add_pairs(sums, p, x, w);
                else add_floats(sums, p, x, w);
            }
        }
    }
    UNROLL for (int p = 0; p < count; p++) store(b->target + target_at + (size_t)p * target_step, sums[p], pass, b->scale);
}

#define TILE(pass, name, images, positions, source_step, target_step)                                                           \
    FAST static void pass##_##name(const struct conv_block *b) {                                                                \
        size_t source_at = 0, target_at = 0;                                                                                    \
        for (size_t i = 0; i < b->repeats; i++) {                                                                               \
            block(b, source_at, target_at, pass, images * positions, source_step, target_step);                                 \
            source_at += positions * b->source_position, target_at += positions * b->target_position;                           \
        }                                                                                                                       \
    }
/// The sums of as many images or positions as the registers hold: two or four for each with 16 channels.
#define TILES(pass, count)                                                                                                      \
    TILE(pass, images, count, 1, b->source_image, b->target_image)                                                              \
    TILE(pass, positions, 1, count, b->source_position, b->target_position)                                                     \
    TILE(pass, one, 1, 1, 0, 0)                                                                                                 \
    static const struct conv_tiles pass##_tiles = {                                                                             \
        3, {{count, 1, 1, 0, pass##_images}, {1, count, 1, 0, pass##_positions}, {1, 1, 1, 0, pass##_one}}};
TILES(FORWARD_S16, 4)
TILES(FORWARD_S32, 2)
TILES(BF16_TO_BF16, 4)
TILES(S16_TO_BF16, 4)

// MARK: Weight gradient

/// The sums of inputs [input, input + MOST) and outputs [output, output + 16) of a block, in registers.
STEP void weight_part(const struct conv_weight_block *b, size_t inputs, size_t outputs, size_t input, size_t output) {
    __m256 sums[MOST][2];
    UNROLL for (int i = 0; i < MOST; i++) sums[i][0] = sums[i][1] = _mm256_setzero_ps();
    for (size_t row = 0; row < b->rows; row++)
        for (size_t column = 0; column < b->columns; column++) {
            const uint32_t *x = b->x + (row * b->x_row + column * b->x_column) * inputs + input;
            const uint32_t *dy = b->dy + (row * b->dy_row + column * b->dy_column) * outputs + output;
            for (size_t pair = b->run; pair > 0; pair--, x += inputs, dy += outputs) {
                __m256i low = load(dy), high = load(dy + 8);
                UNROLL for (int i = 0; i < MOST; i++) {
                    __m256i levels = _mm256_set1_epi32((int)x[i]);
                    sums[i][0] = add_pair(sums[i][0], first_of(levels), second_of(levels), first_of(low), second_of(low));
                    sums[i][1] = add_pair(sums[i][1], first_of(levels), second_of(levels), first_of(high), second_of(high));
                }
            }
        }
    UNROLL for (int i = 0; i < MOST; i++)
        UNROLL for (int h = 0; h < 2; h++)
            _mm256_storeu_ps(b->sums + (input + (size_t)i) * b->sums_row + output + (size_t)(8 * h), sums[i][h]);
}

/// Adds sums of 32 bits to exact ones, and begins again.
STEP void flush(const struct conv_weight_block *b, __m256i sums[MOST][2], size_t input, size_t output) {
    UNROLL for (int i = 0; i < MOST; i++)
        UNROLL for (int h = 0; h < 4; h++) {
            double *total = b->totals + (input + (size_t)i) * b->sums_row + output + (size_t)(4 * h);
            __m128i four = h % 2 ? _mm256_extracti128_si256(sums[i][h / 2], 1) : _mm256_castsi256_si128(sums[i][h / 2]);
            _mm256_storeu_pd(total, _mm256_add_pd(_mm256_loadu_pd(total), _mm256_cvtepi32_pd(four)));
            if (h % 2) sums[i][h / 2] = _mm256_setzero_si256();
        }
}

/// The same of s16.
STEP void weight_part_s16(const struct conv_weight_block *b, size_t inputs, size_t outputs, size_t input, size_t output) {
    __m256i sums[MOST][2];
    UNROLL for (int i = 0; i < MOST; i++) {
        sums[i][0] = sums[i][1] = _mm256_setzero_si256();
        for (size_t o = 0; o < 16; o++) b->totals[(input + (size_t)i) * b->sums_row + output + o] = 0;
    }
    size_t room = b->most;
    for (size_t row = 0; row < b->rows; row++)
        for (size_t column = 0; column < b->columns; column++) {
            const uint32_t *x = b->x + (row * b->x_row + column * b->x_column) * inputs + input;
            const uint32_t *dy = b->dy + (row * b->dy_row + column * b->dy_column) * outputs + output;
            for (size_t left = b->run; left > 0;) {
                size_t part = left < room ? left : room;
                left -= part, room -= part;
                for (; part > 0; part--, x += inputs, dy += outputs) {
                    __m256i low = load(dy), high = load(dy + 8);
                    UNROLL for (int i = 0; i < MOST; i++) {
                        __m256i levels = _mm256_set1_epi32((int)x[i]);
                        sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(levels, low));
                        sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(levels, high));
                    }
                }
                if (room == 0) flush(b, sums, input, output), room = b->most;
            }
        }
    flush(b, sums, input, output);
}

typedef void weight_part_fn(const struct conv_weight_block *, size_t, size_t, size_t, size_t);
STEP void weight_block(const struct conv_weight_block *b, size_t inputs, size_t outputs, weight_part_fn *part) {
    for (size_t output = 0; output < outputs; output += 16)
        for (size_t input = 0; input < inputs; input += MOST) part(b, inputs, outputs, input, output);
}
FAST static void weight_narrow(const struct conv_weight_block *b) { weight_block(b, NARROW_INPUTS, NARROW_OUTPUTS, weight_part); }
FAST static void weight_wide(const struct conv_weight_block *b) { weight_block(b, WIDE_INPUTS, WIDE_OUTPUTS, weight_part); }
FAST static void weight_narrow_s16(const struct conv_weight_block *b) { weight_block(b, NARROW_INPUTS, NARROW_OUTPUTS, weight_part_s16); }
FAST static void weight_wide_s16(const struct conv_weight_block *b) { weight_block(b, WIDE_INPUTS, WIDE_OUTPUTS, weight_part_s16); }

/// The bits of 8 levels as f32; integers to 255 fit a bf16, so the lower halves are zero.
STEP __m256i level_bits(const void *levels, size_t at) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)((const uint8_t *)levels + at));
    return _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
}
STEP __m256i level_words(const void *levels, size_t at) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)((const uint8_t *)levels + at)));
}
STEP __m256i number_bits(const void *values, size_t at) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)((const uint16_t *)values + at)));
}
STEP __m256i bits_at(const void *values, enum conv_paired kind, size_t at) {
    if (kind == PAIR_LEVELS_BF16) return _mm256_srli_epi32(level_bits(values, at), 16);
    return kind == PAIR_LEVELS_S16 ? level_words(values, at) : number_bits(values, at);
}

/// 8 channels at a time.
STEP void pack(const struct conv_pair_packing *p, enum conv_paired kind) {
    const __m256i kept = _mm256_set1_epi32(p->single ? 0xffff : -1);
    size_t pixel_step = p->pairs * p->block, panel = p->pixels * pixel_step;
    for (size_t c = 0; c < p->channels; c += 8) {
        uint32_t *to = p->to + c / p->block * panel + c % p->block;
        for (size_t pixel = 0; pixel < p->pixels; pixel++, to += pixel_step) {
            size_t at = pixel * p->channels + c;
            __m256i pairs = _mm256_or_si256(bits_at(p->a, kind, at), _mm256_slli_epi32(bits_at(p->b, kind, at), 16));
            _mm256_storeu_si256((__m256i *)to, _mm256_and_si256(pairs, kept));
        }
    }
}
FAST static void pair(const struct conv_pair_packing *p) {
    if (p->kind == PAIR_NUMBERS) pack(p, PAIR_NUMBERS);
    else if (p->kind == PAIR_LEVELS_S16) pack(p, PAIR_LEVELS_S16);
    else pack(p, PAIR_LEVELS_BF16);
}

const struct conv_kernels conv_kernels_avx2 = {
    .tiles = {[FORWARD_S32] = &FORWARD_S32_tiles, [FORWARD_S16] = &FORWARD_S16_tiles,
              [BF16_TO_BF16] = &BF16_TO_BF16_tiles, [S16_TO_BF16] = &S16_TO_BF16_tiles},
    .pair = pair, .narrow = weight_narrow, .wide = weight_wide, .narrow_s16 = weight_narrow_s16, .wide_s16 = weight_wide_s16};
#endif
