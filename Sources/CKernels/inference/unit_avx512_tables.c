// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference with AVX-512: table lookup by `vpshufb`, and by `vpermb` where there is VBMI.
//
// U[p] = Σ_j (bit j of p)·x_j over four channels, as in unit_avx2_tables.c: of 16 channels a register holds four tables, one a
// lane. `vpshufb` looks up 16 outputs in each of them, `vpermb` four channels' tables for each of 16 outputs, which lie side by
// side for `vpdpbusd` to add: there the tables are of Σ ±x, which needs no window sums. (Tables of U, of whose entries four add up in
// a byte and not two, were no faster on a Xeon.)
#include "unit_avx512.h"

#if defined(__x86_64__)

#define VBMI ",avx512vnni,avx512vbmi"

// MARK: Tables

/// The tables of U for 16 levels.
STEP WITH("") __m512i chosen_sums(const uint8_t *x) {
    // Lane g, byte p: channel 4g + j for the shuffles; bit j of p for the masks.
    const __m512i lanes = _mm512_set_epi64(0x0c0c0c0c0c0c0c0c, 0x0c0c0c0c0c0c0c0c, 0x0808080808080808, 0x0808080808080808,
                                           0x0404040404040404, 0x0404040404040404, 0, 0);
    const __mmask64 bit[4] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0, 0xff00ff00ff00ff00};
    __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)x));
    __m512i plus = _mm512_maskz_shuffle_epi8(bit[0], levels, lanes);
    UNROLL for (int j = 1; j < 4; j++)
        plus = _mm512_mask_add_epi8(plus, bit[j], plus, _mm512_shuffle_epi8(levels, _mm512_add_epi8(lanes, _mm512_set1_epi8((char)j))));
    return plus;
}

/// Tables of Σ ±x = 2·U − Σx; the sum of all is entry 15 of each lane.
WITH("") static void expand_signed(const uint8_t *x, size_t positions, size_t channels, void *tables, int32_t *sums) {
    const __m512i last = _mm512_set1_epi8(15);
    for (size_t i = 0; i < positions * channels; i += 16) {
        __m512i plus = chosen_sums(x + i);
        _mm512_storeu_si512((char *)tables + 4 * i, _mm512_sub_epi8(_mm512_add_epi8(plus, plus), _mm512_shuffle_epi8(plus, last)));
    }
}

WITH("") static void expand(const uint8_t *x, size_t positions, size_t channels, void *tables, int32_t *sums) {
    char *to = tables;
    for (size_t p = 0; p < positions; p++) {
        __m128i sum = _mm_setzero_si128();
        for (size_t c = 0; c < channels; c += 16, x += 16, to += GROUP_BYTES) {
            _mm512_storeu_si512(to, chosen_sums(x));
            sum = _mm_add_epi32(sum, _mm_sad_epu8(_mm_loadu_si128((const __m128i *)x), _mm_setzero_si128()));
        }
        sums[p] = _mm_cvtsi128_si32(sum) + _mm_extract_epi32(sum, 2);
    }
}

// MARK: Indices

/// [4][16 outputs], for `vpshufb` in each lane.
static void pack_lanes(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t g = 0; g < 4; g++)
        for (size_t o = 0; o < BLOCK; o++) ((uint8_t *)to)[BLOCK * g + o] = table_index(integer_weights, output, input, o, 4 * g, 0);
}

/// [16 outputs][4], for `vpermb` across the lanes.
static void pack_across(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t g = 0; g < 4; g++)
            ((uint8_t *)to)[4 * o + g] = (uint8_t)(16 * g) | table_index(integer_weights, output, input, o, 4 * g, 0);
}

// MARK: Look-ups by `vpshufb`

enum { LOOKUPS = 4, LANE_POSITIONS = 4 };  // so many of at most 4·15 each add up within a byte

/// As in unit_avx2_tables.c: `words` += even byte + 256·odd byte, modulo 2¹⁶, `odd` += odd bytes.
struct byte_sums {
    __m512i words[LANE_POSITIONS][MOST_BLOCKS], odd[LANE_POSITIONS][MOST_BLOCKS];
};

STEP WITH("") void look_up(
    const struct unit_tile *t, struct byte_sums *sums, const char *x, const char *weight, int lookups, int positions, int blocks) {
    __m512i bytes[LANE_POSITIONS][MOST_BLOCKS];
    UNROLL for (int k = 0; k < lookups; k++) {
        __m512i index[MOST_BLOCKS];
        UNROLL for (int o = 0; o < blocks; o++) index[o] = _mm512_loadu_si512(weight + (size_t)o * t->weight_block + GROUP_BYTES * k);
        UNROLL for (int p = 0; p < positions; p++) {
            __m512i table = _mm512_loadu_si512(x + (size_t)p * t->x_position + GROUP_BYTES * k);
            UNROLL for (int o = 0; o < blocks; o++) {
                __m512i found = _mm512_shuffle_epi8(table, index[o]);
                bytes[p][o] = k == 0 ? found : _mm512_add_epi8(bytes[p][o], found);
                __asm__ volatile("" : "+v"(bytes[p][o]));  // not pairs of look-ups first: there are not enough registers
            }
        }
    }
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) {
            sums->words[p][o] = _mm512_add_epi16(sums->words[p][o], bytes[p][o]);
            sums->odd[p][o] = _mm512_add_epi16(sums->odd[p][o], _mm512_srli_epi16(bytes[p][o], 8));
        }
}

/// Σ over the lanes of 16 outputs' sums: even and odd outputs, 16 bits each, to 32 bits in order.
STEP WITH("") __m512i add_lanes(__m512i even, __m512i odd) {
    __m256i evens = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
    __m256i odds = _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1));
    __m256i low = _mm256_unpacklo_epi16(evens, odds), high = _mm256_unpackhi_epi16(evens, odds);
    return _mm512_add_epi32(_mm512_cvtepu16_epi32(_mm256_permute2x128_si256(low, high, 0x20)),
                            _mm512_cvtepu16_epi32(_mm256_permute2x128_si256(low, high, 0x31)));
}

/// Σ ±x = 2·ΣU − Σx.
STEP WITH("") __m512i signed_sums(__m512i chosen, int32_t all) {
    return _mm512_sub_epi32(_mm512_add_epi32(chosen, chosen), _mm512_set1_epi32(all));
}

STEP WITH("") void lanes_tile(const struct unit_tile *t, int positions, int blocks) {
    struct byte_sums parts;
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) parts.words[p][o] = parts.odd[p][o] = _mm512_setzero_si512();
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
        size_t group = t->groups;
        for (; group >= LOOKUPS; group -= LOOKUPS, x += LOOKUPS * GROUP_BYTES, weight += LOOKUPS * GROUP_BYTES)
            look_up(t, &parts, x, weight, LOOKUPS, positions, blocks);
        if (group == 3) look_up(t, &parts, x, weight, 3, positions, blocks);
        else if (group == 2) look_up(t, &parts, x, weight, 2, positions, blocks);
        else if (group == 1) look_up(t, &parts, x, weight, 1, positions, blocks);
    }
    tile_sums sums;
    UNROLL for (int p = 0; p < positions; p++)
        UNROLL for (int o = 0; o < blocks; o++) {
            __m512i odd = parts.odd[p][o], even = _mm512_sub_epi16(parts.words[p][o], _mm512_slli_epi16(odd, 8));
            sums[p][o] = signed_sums(add_lanes(even, odd), t->window_sums[p]);
        }
    finish(t, sums, 0, positions, blocks);
}

TILE(lanes, "", lanes_tile, 4, 1) TILE(lanes, "", lanes_tile, 3, 1)
TILE(lanes, "", lanes_tile, 2, 1) TILE(lanes, "", lanes_tile, 1, 1)
TILE(lanes, "", lanes_tile, 4, 2) TILE(lanes, "", lanes_tile, 3, 2)
TILE(lanes, "", lanes_tile, 2, 2) TILE(lanes, "", lanes_tile, 1, 2)
static unit_tile_fn *lanes(size_t positions, size_t blocks) {
    static unit_tile_fn *const tiles[][MOST_BLOCKS] = {
        {lanes_11, lanes_12}, {lanes_21, lanes_22}, {lanes_31, lanes_32}, {lanes_41, lanes_42}};
    return tiles[positions - 1][blocks - 1];
}


// MARK: Look-ups by `vpermb`

/// Entries are at most 4·15 in magnitude, so two of them add up within a byte.
STEP WITH(VBMI) void add_look_ups(const struct unit_tile *t, tile_sums sums, const char *x, const char *weight, __m512i ones, int lookups,
                                  int positions, int blocks) {
    __m512i index[MOST_BLOCKS][2];
    UNROLL for (int o = 0; o < blocks; o++)
        UNROLL for (int k = 0; k < lookups; k++) index[o][k] = _mm512_loadu_si512(weight + (size_t)o * t->weight_block + k * GROUP_BYTES);
    UNROLL for (int p = 0; p < positions; p++) {
        __m512i bytes[MOST_BLOCKS];
        UNROLL for (int k = 0; k < lookups; k++) {
            __m512i table = _mm512_loadu_si512(x + (size_t)p * t->x_position + k * GROUP_BYTES);
            UNROLL for (int o = 0; o < blocks; o++) {
                __m512i found = _mm512_permutexvar_epi8(index[o][k], table);
                bytes[o] = k == 0 ? found : _mm512_add_epi8(bytes[o], found);
            }
        }
        UNROLL for (int o = 0; o < blocks; o++) sums[p][o] = _mm512_dpbusd_epi32(sums[p][o], ones, bytes[o]);
    }
}

STEP WITH(VBMI) void across_tile(const struct unit_tile *t, int positions, int blocks) {
    const __m512i ones = _mm512_set1_epi8(1);
    tile_sums sums;
    clear(sums, positions, blocks);
    for (size_t r = 0; r < t->rows; r++) {
        const char *x = (const char *)t->x + r * t->x_row, *weight = (const char *)t->weight + r * t->weight_row;
        size_t group = t->groups;
        for (; group > 1; group -= 2, x += 2 * GROUP_BYTES, weight += 2 * GROUP_BYTES)
            add_look_ups(t, sums, x, weight, ones, 2, positions, blocks);
        if (group) add_look_ups(t, sums, x, weight, ones, 1, positions, blocks);
    }
    finish(t, sums, 0, positions, blocks);
}

TILES(across, VBMI, across_tile)

// MARK: The paths

static const struct unit_tiling lanes_tiling = {.positions = up_to_four, .blocks = MOST_BLOCKS, .tile = lanes};
static const struct unit_tiling across_tiling = TILING(across);

static int fits(const struct ck_unit *u) { return u->binary && u->input_qmax <= 15; }

/// Two lanes' sums, of half the channels, must stay below 2¹⁶.
static int fits_lanes(const struct ck_unit *u) { return fits(u) && 15 * u->kernel * u->kernel * u->input_channels / 2 < 1 << 16; }

const struct unit_kernels unit_kernels_avx512_tables = {
    .name = "avx512-tables", .needs = CK_HAS_AVX512, .fits = fits_lanes, .group_channels = 16, .group_bytes = GROUP_BYTES,
    .channel_bytes = 4, .pack = pack_lanes, .expand = expand, .window_sums = 1, .sums = &lanes_tiling, .first = &unit_avx512_first};

const struct unit_kernels unit_kernels_vbmi_tables = {
    .name = "vbmi-tables", .needs = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI | CK_HAS_AVX512_VBMI, .fits = fits, .group_channels = 16,
    .group_bytes = GROUP_BYTES, .channel_bytes = 4, .pack = pack_across, .expand = expand_signed, .sums = &across_tiling,
    .first = &unit_avx512_first};
#endif
