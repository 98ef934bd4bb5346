// SPDX-License-Identifier: GPL-3.0-or-later
// The tiles of integer inference with AVX2: table lookup by `vpshufb`, bytes by `vpmaddubsw`, 16-bit words by `vpmaddwd`, and
// the first unit in f32.
#include "unit_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx2,fma"
#define FAST __attribute__((target(TARGET)))
#define UNROLL _Pragma("clang loop unroll(full)")
#define STEP static inline __attribute__((always_inline, target(TARGET)))

enum { MOST_POSITIONS = 4 };

STEP __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

// MARK: What becomes of a sum

STEP __m256 eight_levels(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

/// Sixteen results at `at` from their sums. A NaN, which only a damaged model makes, counts as 0.
STEP void finish(const struct unit_tile *t, __m256 low, __m256 high, size_t at) {
    __m256 y0 = _mm256_fmadd_ps(_mm256_loadu_ps(t->a), low, _mm256_loadu_ps(t->b));
    __m256 y1 = _mm256_fmadd_ps(_mm256_loadu_ps(t->a + 8), high, _mm256_loadu_ps(t->b + 8));
    if (t->shortcut) {
        const __m256 step = _mm256_set1_ps(t->step);
        const float *wide = (const float *)t->shortcut + at;
        const uint8_t *levels = (const uint8_t *)t->shortcut + at;
        y0 = _mm256_fmadd_ps(step, t->wide ? _mm256_loadu_ps(wide) : eight_levels(levels), y0);
        y1 = _mm256_fmadd_ps(step, t->wide ? _mm256_loadu_ps(wide + 8) : eight_levels(levels + 8), y1);
    }
    if (!t->to_levels) {
        _mm256_storeu_ps((float *)t->y + at, y0);
        _mm256_storeu_ps((float *)t->y + at + 8, y1);
        return;
    }
    const __m256 zero = _mm256_setzero_ps(), qmax = _mm256_set1_ps(t->qmax);
    y0 = _mm256_ceil_ps(_mm256_min_ps(_mm256_max_ps(y0, zero), qmax));  // the qmax is whole: clamping and rounding up commute
    y1 = _mm256_ceil_ps(_mm256_min_ps(_mm256_max_ps(y1, zero), qmax));
    __m256i words = _mm256_packus_epi32(_mm256_cvttps_epi32(y0), _mm256_cvttps_epi32(y1));  // 0–3 8–11, 4–7 12–15
    __m256i bytes = _mm256_packus_epi16(words, words);
    __m128i levels = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    _mm_storeu_si128((__m128i *)((uint8_t *)t->y + at), levels);
}

// MARK: Tables

// Of four levels x and a number p of 4 bits, U[p] = Σ_j (bit j of p)·x_j is a sum of those that a weight of +1 takes: for
// binary integer weights, Σ ±x = 2·ΣU − Σx. A register holds the tables of two groups of four, one a lane; `vpshufb` looks up 16
// outputs in both. A group of 16 channels takes two registers, of channels 0–3 8–11 and 4–7 12–15.
enum { LOOKUPS = 4 };  // of at most 4·15 each add up within a byte

/// 64 bytes of tables for each 16 channels. Each lane of `pairs` holds 0, x_i, x_i+1 and their sum for four pairs of channels.
FAST static void expand_tables(const uint8_t *x, size_t positions, size_t channels, void *tables, int32_t *sums) {
    const __m256i odd = _mm256_setr_epi8(
        -1, 0, -1, 0, -1, 2, -1, 2, -1, 4, -1, 4, -1, 6, -1, 6, -1, 8, -1, 8, -1, 10, -1, 10, -1, 12, -1, 12, -1, 14, -1, 14);
    const __m256i even = _mm256_setr_epi8(
        -1, -1, 1, 1, -1, -1, 3, 3, -1, -1, 5, 5, -1, -1, 7, 7, -1, -1, 9, 9, -1, -1, 11, 11, -1, -1, 13, 13, -1, -1, 15, 15);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7));
    const __m256i other = _mm256_set1_epi8(8);
    const __m256i low8 = _mm256_add_epi8(low, other), high8 = _mm256_add_epi8(high, other);
    __m256i *to = tables;
    for (size_t p = 0; p < positions; p++) {
        __m128i sum = _mm_setzero_si128();
        for (size_t c = 0; c < channels; c += 16, x += 16, to += 2) {
            __m128i levels = _mm_loadu_si128((const __m128i *)x);
            __m256i both = _mm256_broadcastsi128_si256(levels);
            sum = _mm_add_epi32(sum, _mm_sad_epu8(levels, _mm_setzero_si128()));
            __m256i pairs = _mm256_add_epi8(_mm256_shuffle_epi8(both, odd), _mm256_shuffle_epi8(both, even));
            _mm256_storeu_si256(to, _mm256_add_epi8(_mm256_shuffle_epi8(pairs, low), _mm256_shuffle_epi8(pairs, high)));
            _mm256_storeu_si256(to + 1, _mm256_add_epi8(_mm256_shuffle_epi8(pairs, low8), _mm256_shuffle_epi8(pairs, high8)));
        }
        sums[p] = _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 2);
    }
}

/// [2][2 lanes][16 outputs]: which entry of its group's table an output takes.
static void pack_indices(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    static const size_t first[4] = {0, 8, 4, 12};
    for (size_t lane = 0; lane < 4; lane++)
        for (size_t o = 0; o < BLOCK; o++) {
            uint8_t index = 0;
            for (size_t j = 0; j < 4; j++) index |= (uint8_t)((integer_weights[o * output + (first[lane] + j) * input] > 0) << j);
            ((uint8_t *)to)[BLOCK * lane + o] = index;
        }
}

/// `words` += 16-bit lanes as they are (even byte + 256·odd byte, modulo 2¹⁶), `odd` += odd bytes: the even bytes' sum is
/// words − 256·odd, exact while it is below 2¹⁶.
struct byte_sums {
    __m256i words[MOST_POSITIONS], odd[MOST_POSITIONS];
};

STEP void look_up(struct byte_sums *sums, const char *x, const char *weight, size_t x_position, int lookups, int positions) {
    __m256i bytes[MOST_POSITIONS];
    UNROLL for (int k = 0; k < lookups; k++) {
        __m256i index = load(weight + 32 * k);
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i found = _mm256_shuffle_epi8(load(x + (size_t)p * x_position + 32 * k), index);
            bytes[p] = k == 0 ? found : _mm256_add_epi8(bytes[p], found);
        }
    }
    UNROLL for (int p = 0; p < positions; p++) {
        sums->words[p] = _mm256_add_epi16(sums->words[p], bytes[p]);
        sums->odd[p] = _mm256_add_epi16(sums->odd[p], _mm256_srli_epi16(bytes[p], 8));
    }
}

STEP __m256i add_lanes(__m256i words) {
    return _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
}

STEP void tables_tile(const struct unit_tile *t, int positions) {
    struct byte_sums sums;
    UNROLL for (int p = 0; p < positions; p++) sums.words[p] = sums.odd[p] = _mm256_setzero_si256();
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
        size_t group = t->groups;
        for (; group > 1; group -= 2, x += 2 * GROUP_BYTES, weight += 2 * GROUP_BYTES)
            look_up(&sums, x, weight, t->x_position, LOOKUPS, positions);
        if (group) look_up(&sums, x, weight, t->x_position, LOOKUPS / 2, positions);
    }
    UNROLL for (int p = 0; p < positions; p++) {
        __m256i odd = sums.odd[p], even = _mm256_sub_epi16(sums.words[p], _mm256_slli_epi16(odd, 8));
        __m256i all = _mm256_set1_epi32(t->window_sums[p]);
        __m256i low = add_lanes(_mm256_unpacklo_epi16(even, odd)), high = add_lanes(_mm256_unpackhi_epi16(even, odd));
        low = _mm256_sub_epi32(_mm256_add_epi32(low, low), all);
        high = _mm256_sub_epi32(_mm256_add_epi32(high, high), all);
        finish(t, _mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high), (size_t)p * t->y_position);
    }
}

// MARK: Products of bytes and of words

typedef __m256i sixteen_sums[MOST_POSITIONS][2];

/// A group is 64 bytes of weights: 4 channels as bytes, [16 outputs][4], or 2 as words, [16 outputs][2], and 4 bytes of x.
STEP __m256i broadcast(const char *group) {
    int bits;
    __builtin_memcpy(&bits, group, 4);
    return _mm256_set1_epi32(bits);
}

/// `groups` ≤ t->flush groups of bytes, whose sums of products fit 16 bits.
STEP void add_bytes(sixteen_sums sums, const char *x, const char *weight, size_t groups, size_t x_position, int positions) {
    __m256i words[MOST_POSITIONS][2];
    UNROLL for (int p = 0; p < positions; p++) words[p][0] = words[p][1] = _mm256_setzero_si256();
    for (; groups > 0; groups--, x += 4, weight += GROUP_BYTES) {
        __m256i low = load(weight), high = load(weight + 32);
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i levels = broadcast(x + (size_t)p * x_position);
            words[p][0] = _mm256_add_epi16(words[p][0], _mm256_maddubs_epi16(levels, low));
            words[p][1] = _mm256_add_epi16(words[p][1], _mm256_maddubs_epi16(levels, high));
        }
    }
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int h = 0; h < 2; h++) sums[p][h] = _mm256_add_epi32(sums[p][h], _mm256_madd_epi16(words[p][h], ones));
}

STEP void add_words(sixteen_sums sums, const char *x, const char *weight, size_t groups, size_t x_position, int positions) {
    for (; groups > 0; groups--, x += 4, weight += GROUP_BYTES) {
        __m256i low = load(weight), high = load(weight + 32);
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i levels = broadcast(x + (size_t)p * x_position);
            sums[p][0] = _mm256_add_epi32(sums[p][0], _mm256_madd_epi16(levels, low));
            sums[p][1] = _mm256_add_epi32(sums[p][1], _mm256_madd_epi16(levels, high));
        }
    }
}

STEP void products_tile(const struct unit_tile *t, int positions, int bytes) {
    sixteen_sums sums;
    UNROLL for (int p = 0; p < positions; p++) sums[p][0] = sums[p][1] = _mm256_setzero_si256();
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
        if (!bytes) {
            add_words(sums, x, weight, t->groups, t->x_position, positions);
            continue;
        }
        for (size_t left = t->groups; left > 0;) {
            size_t groups = left < t->flush ? left : t->flush;
            add_bytes(sums, x, weight, groups, t->x_position, positions);
            x += 4 * groups, weight += GROUP_BYTES * groups, left -= groups;
        }
    }
    UNROLL for (int p = 0; p < positions; p++)
        finish(t, _mm256_cvtepi32_ps(sums[p][0]), _mm256_cvtepi32_ps(sums[p][1]), (size_t)p * t->y_position);
}

static void pack_bytes(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 4; i++) ((int8_t *)to)[4 * o + i] = integer_weights[o * output + i * input];
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
    UNROLL for (int p = 0; p < positions; p++) finish(t, sums[p][0], sums[p][1], (size_t)p * t->y_position);
}

// MARK: The paths

// All sizes are constants at each call, so the sums live in registers.
#define TILES(name, body, ...)                                                                       \
    FAST static void name##_4(const struct unit_tile *t) { body(t, 4, ##__VA_ARGS__); }              \
    FAST static void name##_3(const struct unit_tile *t) { body(t, 3, ##__VA_ARGS__); }              \
    FAST static void name##_2(const struct unit_tile *t) { body(t, 2, ##__VA_ARGS__); }              \
    FAST static void name##_1(const struct unit_tile *t) { body(t, 1, ##__VA_ARGS__); }              \
    static unit_tile_fn *name(size_t positions, size_t blocks) {                                     \
        static unit_tile_fn *const tiles[] = {name##_1, name##_2, name##_3, name##_4};               \
        return tiles[positions - 1];                                                                 \
    }
TILES(look_ups, tables_tile)
TILES(byte_products, products_tile, 1)
TILES(word_products, products_tile, 0)
TILES(first, first_tile_of)

static size_t positions(size_t rest) { return rest == 5 || rest == 6 || rest == 9 ? 3 : rest < 4 ? rest : 4; }

/// The even bytes' sum of a lane, of half the channels, must stay below 2¹⁶.
static int fits_tables(const struct ck_unit *u) {
    return u->binary && u->input_qmax <= 15 && 15 * u->kernel * u->kernel * u->input_channels / 2 < 1 << 16;
}

static int fits_bytes(const struct ck_unit *u) { return 2 * u->input_qmax * u->largest_integer_weight <= 32767; }

const struct unit_kernels unit_kernels_avx2_words = {
    .name = "words", .needs = CK_HAS_AVX2, .group_channels = 2, .channel_bytes = 2, .pack = pack_words, .expand = expand_words,
    .positions = positions, .blocks = 1, .tile = word_products, .first = first};

const struct unit_kernels unit_kernels_avx2_bytes = {
    .name = "bytes", .needs = CK_HAS_AVX2, .fits = fits_bytes, .group_channels = 4, .channel_bytes = 1, .pack = pack_bytes,
    .positions = positions, .blocks = 1, .tile = byte_products, .first = first};

const struct unit_kernels unit_kernels_avx2_tables = {
    .name = "tables", .needs = CK_HAS_AVX2, .fits = fits_tables, .group_channels = 16, .channel_bytes = 4, .pack = pack_indices,
    .expand = expand_tables, .window_sums = 1, .positions = positions, .blocks = 1, .tile = look_ups, .first = first};
#endif
