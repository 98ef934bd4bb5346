// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference on AVX2's registers by products: of bytes by `vpmaddubsw` or `vpdpbusd`, of 16-bit words by `vpmaddwd`; and
// the first unit in f32.
#include "unit_avx2.h"

#if defined(__x86_64__)

/// The instruction; `vpdpbusd` has two encodings, of AVX-VNNI and of AVX-512.
enum product { WORDS, BYTES, VNNI_VEX, VNNI_EVEX };

typedef __m256i sixteen_sums[MOST_POSITIONS][2];

/// A group is 64 bytes of weights: 4 channels as bytes, [16 outputs][4], or 2 as words, [16 outputs][2], and 4 bytes of x.
STEP __m256i broadcast(const char *group) {
    int bits;
    __builtin_memcpy(&bits, group, 4);
    return _mm256_set1_epi32(bits);
}

/// Adds the products of `groups` groups of bytes to `words`, 16-bit numbers that hold them.
STEP void add_bytes(sixteen_sums words, const char *x, const char *weight, size_t groups, size_t x_position, int positions) {
    for (; groups > 0; groups--, x += 4, weight += GROUP_BYTES) {
        __m256i low = load(weight), high = load(weight + 32);
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i levels = broadcast(x + (size_t)p * x_position);
            words[p][0] = _mm256_add_epi16(words[p][0], _mm256_maddubs_epi16(levels, low));
            words[p][1] = _mm256_add_epi16(words[p][1], _mm256_maddubs_epi16(levels, high));
        }
    }
}

STEP void clear(sixteen_sums sums, int positions) {
    UNROLL for (int p = 0; p < positions; p++) sums[p][0] = sums[p][1] = _mm256_setzero_si256();
}

/// Adds 16-bit `words` to `sums`.
STEP void flush(sixteen_sums sums, sixteen_sums words, int positions) {
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int h = 0; h < 2; h++) sums[p][h] = _mm256_add_epi32(sums[p][h], _mm256_madd_epi16(words[p][h], ones));
}

/// sum + the products of each 32-bit lane. (An intrinsic would tie a tile to one of the encodings' sets of features.)
STEP __m256i add_products(__m256i sum, __m256i levels, __m256i weight, enum product product) {
    if (product == WORDS) return _mm256_add_epi32(sum, _mm256_madd_epi16(levels, weight));
    if (product == VNNI_VEX) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(levels), "x"(weight));
    else __asm__("%{evex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(levels), "x"(weight));
    return sum;
}

STEP void add_groups(sixteen_sums sums, const char *x, const char *weight, size_t groups, size_t x_position, int positions,
                     enum product product) {
    for (; groups > 0; groups--, x += 4, weight += GROUP_BYTES) {
        __m256i low = load(weight), high = load(weight + 32);
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i levels = broadcast(x + (size_t)p * x_position);
            sums[p][0] = add_products(sums[p][0], levels, low, product);
            sums[p][1] = add_products(sums[p][1], levels, high, product);
        }
    }
}

/// The sums of all rows' groups from `x` and `weight` on. Those of bytes gather in 16 bits while t->flush says that they fit.
STEP void add_rows(sixteen_sums sums, const struct unit_tile *t, const char *x, const char *weight, int positions, enum product product) {
    sixteen_sums words;
    size_t room = t->flush;
    if (product == BYTES) clear(words, positions);
    for (size_t r = 0; r < t->rows; r++, x += t->x_row, weight += t->weight_row) {
        if (product != BYTES) {
            add_groups(sums, x, weight, t->groups, t->x_position, positions, product);
            continue;
        }
        for (size_t done = 0, groups; done < t->groups; done += groups, room -= groups) {
            if (room == 0) {
                flush(sums, words, positions);
                clear(words, positions);
                room = t->flush;
            }
            groups = minimum(t->groups - done, room);
            add_bytes(words, x + 4 * done, weight + GROUP_BYTES * done, groups, t->x_position, positions);
        }
    }
    if (product == BYTES) flush(sums, words, positions);
}

STEP void products_tile(const struct unit_tile *t, int positions, enum product product) {
    sixteen_sums sums;
    clear(sums, positions);
    add_rows(sums, t, t->x, t->weight, positions, product);
    UNROLL for (int p = 0; p < positions; p++)
        finish(t, _mm256_cvtepi32_ps(sums[p][0]), _mm256_cvtepi32_ps(sums[p][1]), 0, p);
}

static void pack_words(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 2; i++) ((int16_t *)to)[2 * o + i] = integer_weights[o * output + i * input];
}

FAST static void expand_words(const uint8_t *x, size_t positions, size_t channels, void *to, int32_t *sums) {
    for (size_t i = 0; i < positions * channels; i += 16)
        _mm256_storeu_si256((__m256i *)((uint16_t *)to + i), _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + i))));
}

// MARK: The first unit

STEP void bytes_tile(const struct unit_tile *t, int positions, enum product product) {
    __m256 y[MOST_POSITIONS][2];
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int h = 0; h < 2; h++) y[p][h] = _mm256_loadu_ps(t->b + t->column_classes[p] * t->b_class + 8 * h);
    for (size_t c = 0; c < t->colours; c++) {
        sixteen_sums sums;
        clear(sums, positions);
        add_rows(sums, t, (const char *)t->x + c * t->x_colour, (const char *)t->weight + c * t->weight_colour, positions, product);
        __m256 low = _mm256_loadu_ps(t->a + c * t->a_colour), high = _mm256_loadu_ps(t->a + c * t->a_colour + 8);
        UNROLL for (int p = 0; p < positions; p++) {
            y[p][0] = _mm256_fmadd_ps(low, _mm256_cvtepi32_ps(sums[p][0]), y[p][0]);
            y[p][1] = _mm256_fmadd_ps(high, _mm256_cvtepi32_ps(sums[p][1]), y[p][1]);
        }
    }
    UNROLL for (int p = 0; p < positions; p++) store_levels(t, y[p][0], y[p][1], (size_t)p * t->y_position);
}

STEP void first_tile_of(const struct unit_tile *t, int positions) {
    __m256 sums[MOST_POSITIONS][2];
    UNROLL for (int p = 0; p < positions; p++) sums[p][0] = sums[p][1] = _mm256_setzero_ps();
    for (size_t r = 0; r < t->rows; r++) {
        const float *x = (const float *)t->x + r * t->x_row, *weight = (const float *)t->weight + r * t->weight_row;
        for (size_t group = t->groups; group > 0; group--, x++, weight += BLOCK) {
            __m256 low = _mm256_loadu_ps(weight), high = _mm256_loadu_ps(weight + 8);
            UNROLL for (int p = 0; p < positions; p++) {
                __m256 value = _mm256_broadcast_ss(x + (size_t)p * t->x_position);
                sums[p][0] = _mm256_fmadd_ps(value, low, sums[p][0]);
                sums[p][1] = _mm256_fmadd_ps(value, high, sums[p][1]);
            }
        }
    }
    UNROLL for (int p = 0; p < positions; p++) finish(t, sums[p][0], sums[p][1], 0, p);
}

// MARK: The paths

TILES(word_products, products_tile, WORDS)
TILES(byte_products, products_tile, BYTES)
TILES(vex_products, products_tile, VNNI_VEX)
TILES(evex_products, products_tile, VNNI_EVEX)
TILES(first, first_tile_of)
TILES(colours_of_words, bytes_tile, WORDS)
TILES(colours_of_bytes, bytes_tile, BYTES)
TILES(vex_colours, bytes_tile, VNNI_VEX)
TILES(evex_colours, bytes_tile, VNNI_EVEX)

static const struct unit_tiling words = TILING(word_products), bytes = TILING(byte_products);
static const struct unit_tiling vex = TILING(vex_products), evex = TILING(evex_products);
const struct unit_tiling unit_avx2_first = TILING(first);
static const struct unit_tiling word_colours = TILING(colours_of_words), byte_colours = TILING(colours_of_bytes);
static const struct unit_tiling colours_by_vex = TILING(vex_colours), colours_by_evex = TILING(evex_colours);

/// What two products may reach.
static size_t two_products(const struct ck_unit *u) { return 2 * (size_t)u->input_qmax * (size_t)u->largest_integer_weight; }

static int fits_bytes(const struct ck_unit *u) { return two_products(u) <= INT16_MAX; }
static size_t flush_bytes(const struct ck_unit *u) { return two_products(u) == 0 ? SIZE_MAX : INT16_MAX / two_products(u); }

const struct unit_kernels unit_kernels_avx2_words = {
    .name = "avx2-words", .needs = CK_HAS_AVX2, .group_channels = 2, .group_bytes = GROUP_BYTES, .channel_bytes = 2,
    .pack = pack_words, .expand = expand_words, .sums = &words, .first = &unit_avx2_first,
    .bytes = &word_colours};

#define BYTE_PRODUCTS .group_channels = 4, .group_bytes = GROUP_BYTES, .channel_bytes = 1, .pack = pack_fours, .first = &unit_avx2_first

const struct unit_kernels unit_kernels_avx2_bytes = {
    .name = "avx2-bytes", .needs = CK_HAS_AVX2, .fits = fits_bytes, .flush = flush_bytes, .sums = &bytes, .bytes = &byte_colours,
    BYTE_PRODUCTS};

const struct unit_kernels unit_kernels_avx_vnni = {
    .name = "avx-vnni", .needs = CK_HAS_AVX2 | CK_HAS_AVX_VNNI, .sums = &vex, .bytes = &colours_by_vex, BYTE_PRODUCTS};

const struct unit_kernels unit_kernels_vnni_256 = {
    .name = "vnni-256", .needs = CK_HAS_AVX2 | CK_HAS_AVX512 | CK_HAS_AVX512_VNNI, .sums = &evex, .bytes = &colours_by_evex,
    BYTE_PRODUCTS};
#endif
