// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference with AVX2: table lookup by `vpshufb`.
//
// Of four levels x and a number p of 4 bits, U[p] = Σ_j (bit j of p)·x_j is a sum of those that a weight of +1 takes: for
// binary integer weights, Σ ±x = 2·ΣU − Σx. A register holds the tables of two groups of four, one a lane; `vpshufb` looks up 16
// outputs in both. A group of 16 channels takes two registers, of channels 0–3 8–11 and 4–7 12–15. For ternary ones two entries are
// looked up, p of the weights +1 and p' of those that are not −1: Σ wx = ΣU[p] + ΣU[p'] − Σx.
#include "unit_avx2.h"

#if defined(__x86_64__)

/// Keeps the compiler from forming a value earlier or otherwise than written here: it would add up pairs of look-ups first, for
/// which there are not enough registers.
#define IN_ORDER(value) __asm__ volatile("" : "+x"(value))

enum { LOOKUPS = 4, MOST_BLOCKS = 2 };  // so many of at most 4·15 each add up within a byte

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

enum { BINARY = 1, TERNARY = 2 };  // look-ups a table

/// [2 registers][look-ups][2 lanes][16 outputs]: which entries of its groups' tables an output takes.
static void pack_indices(const int8_t *integer_weights, size_t output, size_t input, int kind, uint8_t *to) {
    for (size_t first = 0; first < 8; first += 4)
        for (int above = 0; above > -kind; above--)
            for (size_t lane = 0; lane < 2; lane++)
                for (size_t o = 0; o < BLOCK; o++) *to++ = table_index(integer_weights, output, input, o, first + 8 * lane, above);
}

static void pack_binary(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    pack_indices(integer_weights, output, input, BINARY, to);
}

static void pack_ternary(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    pack_indices(integer_weights, output, input, TERNARY, to);
}

/// `words` += 16-bit lanes as they are (even byte + 256·odd byte, modulo 2¹⁶), `odd` += odd bytes: the even bytes' sum is
/// words − 256·odd, exact while it is below 2¹⁶.
struct byte_sums {
    __m256i words[MOST_POSITIONS][MOST_BLOCKS], odd[MOST_POSITIONS][MOST_BLOCKS];
};

STEP void look_up(struct byte_sums *sums, const char *x, const char *weight, size_t x_position, size_t weight_block, int lookups,
                  int kind, int positions, int blocks) {
    __m256i bytes[MOST_POSITIONS][MOST_BLOCKS];
    UNROLL for (int k = 0; k < lookups; k++) {
        __m256i index[MOST_BLOCKS];
        UNROLL for (int o = 0; o < blocks; o++) {
            index[o] = load(weight + (size_t)o * weight_block + 32 * k);
            IN_ORDER(index[o]);
        }
        UNROLL for (int p = 0; p < positions; p++) {
            __m256i table = load(x + (size_t)p * x_position + 32 * (k / kind));
            UNROLL for (int o = 0; o < blocks; o++) {
                __m256i found = _mm256_shuffle_epi8(table, index[o]);
                bytes[p][o] = k == 0 ? found : _mm256_add_epi8(bytes[p][o], found);
                IN_ORDER(bytes[p][o]);
            }
        }
    }
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) {
            sums->words[p][o] = _mm256_add_epi16(sums->words[p][o], bytes[p][o]);
            sums->odd[p][o] = _mm256_add_epi16(sums->odd[p][o], _mm256_srli_epi16(bytes[p][o], 8));
        }
}

STEP __m256i add_lanes(__m256i words) {
    __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    return _mm256_add_epi32(_mm256_cvtepu16_epi32(low), _mm256_cvtepu16_epi32(high));
}

STEP void tables_tile(const struct unit_tile *t, int positions, int kind, int blocks) {
    struct byte_sums sums;
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) sums.words[p][o] = sums.odd[p][o] = _mm256_setzero_si256();
    const size_t x_position = t->x_position, weight_block = t->weight_block, groups = t->groups, rows = t->rows;
    const char *x_row = t->x, *weight_row = t->weight;
    for (size_t r = 0; r < rows; r++, x_row += t->x_row, weight_row += t->weight_row) {
        const char *x = x_row, *weight = weight_row;
        const size_t step = LOOKUPS / 2 / kind;  // of groups, two tables each
        size_t group = groups;
        for (; group >= step; group -= step, x += step * GROUP_BYTES, weight += LOOKUPS * 32)
            look_up(&sums, x, weight, x_position, weight_block, LOOKUPS, kind, positions, blocks);
        if (group) look_up(&sums, x, weight, x_position, weight_block, LOOKUPS / 2, kind, positions, blocks);
    }
    UNROLL for (int p = 0; p < positions; p++) {
        __m256i all = _mm256_set1_epi32(t->window_sums[p]);
        UNROLL for (int o = 0; o < blocks; o++) {
            __m256i odd = sums.odd[p][o], even = _mm256_sub_epi16(sums.words[p][o], _mm256_slli_epi16(odd, 8));
            __m256i low = add_lanes(_mm256_unpacklo_epi16(even, odd)), high = add_lanes(_mm256_unpackhi_epi16(even, odd));
            if (kind == BINARY) low = _mm256_add_epi32(low, low), high = _mm256_add_epi32(high, high);
            low = _mm256_sub_epi32(low, all), high = _mm256_sub_epi32(high, all);
            finish(t, _mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high), o, p);
        }
    }
}

TILES(binary_1, tables_tile, BINARY, 1)
TILES(binary_2, tables_tile, BINARY, 2)
TILES(ternary_1, tables_tile, TERNARY, 1)
TILES(ternary_2, tables_tile, TERNARY, 2)
static unit_tile_fn *binary(size_t positions, size_t blocks) { return (blocks == 1 ? binary_1 : binary_2)(positions, blocks); }
static unit_tile_fn *ternary(size_t positions, size_t blocks) { return (blocks == 1 ? ternary_1 : ternary_2)(positions, blocks); }

/// Registers hold four sums of 16 outputs.
static size_t up_to_four_sums(size_t rest, size_t blocks) { return blocks == 1 ? up_to_four(rest, blocks) : rest < 2 ? rest : 2; }

static const struct unit_tiling binary_tiling = {.positions = up_to_four_sums, .blocks = MOST_BLOCKS, .tile = binary};
static const struct unit_tiling ternary_tiling = {.positions = up_to_four_sums, .blocks = MOST_BLOCKS, .tile = ternary};

/// The even bytes' sum of a lane, of half the channels, must stay below 2¹⁶.
static int fits(const struct ck_unit *u, size_t kind) {
    return u->input_qmax <= 15 && kind * 15 * u->kernel * u->kernel * u->input_channels / 2 < 1 << 16;
}
static int fits_binary(const struct ck_unit *u) { return u->binary && fits(u, BINARY); }
static int fits_ternary(const struct ck_unit *u) { return u->largest_integer_weight <= 1 && fits(u, TERNARY); }

const struct unit_kernels unit_kernels_avx2_tables = {
    .name = "avx2-tables", .needs = CK_HAS_AVX2, .fits = fits_binary, .group_channels = 16, .group_bytes = GROUP_BYTES,
    .channel_bytes = 4, .pack = pack_binary, .expand = expand_tables, .window_sums = 1, .sums = &binary_tiling,
    .first = &unit_avx2_first};

const struct unit_kernels unit_kernels_avx2_ternary_tables = {
    .name = "avx2-ternary-tables", .needs = CK_HAS_AVX2, .fits = fits_ternary, .group_channels = 16, .group_bytes = TERNARY * GROUP_BYTES,
    .channel_bytes = 4, .pack = pack_ternary, .expand = expand_tables, .window_sums = 1, .sums = &ternary_tiling,
    .first = &unit_avx2_first};
#endif
