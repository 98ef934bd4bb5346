// SPDX-License-Identifier: GPL-3.0-or-later
// What a path of integer inference is made of, and what its register tiles are asked for.
//
// Weights lie in blocks of 16 output channels, [O/16][K][K][groups][group_bytes]; what a group holds is the path's.
// Before a tile runs, the input rows that it reads have been copied to scratch with zeros around them, as they are or as the
// path expands them: so every position has all its taps, and those of one kernel row are one run of groups.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "common/kernel.h"
#include "inference.h"

enum { BLOCK = 16, CACHE_LINE = 64, GROUP_BYTES = 64 };  // a group of most paths

/// `positions` × 16·`blocks` results, from `rows` runs of `groups` groups. Steps of x and weights are in bytes, for the first
/// unit in floats.
struct unit_tile {
    const void *x, *weight;
    size_t x_row, x_position, weight_row, weight_block, rows, groups;
    const float *a, *b;
    const void *shortcut;  // at the first result, or null
    int wide, to_levels;
    float step, qmax;
    void *y;  // at the first result
    size_t y_position;  // results from one position to the next, in y and in the shortcut
    size_t flush;       // groups whose sum a 16-bit number holds for certain
    const int32_t *window_sums;  // Σx over each position's window, where the path wants it
    // Of a unit of bytes: from one colour to the next, in bytes and in numbers of `a`; b of class 0, a class's numbers, and the classes.
    size_t colours, x_colour, weight_colour, a_colour, b_class;
    const uint16_t *column_classes;
};
typedef void unit_tile_fn(const struct unit_tile *);

/// A group's bytes for the integer weights of 16 outputs: code of output o and input i at integer weights[o·output + i·input].
typedef void unit_pack_fn(const int8_t *integer_weights, size_t output, size_t input, void *to);

/// `positions` of x as the tiles read them, and the sum of each one's channels.
typedef void unit_expand_fn(const uint8_t *x, size_t positions, size_t channels, void *to, int32_t *sums);

/// How a row of results is cut into tiles.
struct unit_tiling {
    size_t (*positions)(size_t rest, size_t blocks);  // how many positions a row's next tile takes, with `rest` left
    size_t blocks;                                    // most blocks of 16 outputs of a tile
    unit_tile_fn *(*tile)(size_t positions, size_t blocks);
};
/// Four positions, or three where four would leave one or two over.
static inline size_t up_to_four(size_t rest, size_t blocks) { return rest == 5 || rest == 6 || rest == 9 ? 3 : rest < 4 ? rest : 4; }

/// A path: one constant table each.
struct unit_kernels {
    const char *name;
    unsigned needs;                        // features (cpu.h)
    int (*fits)(const struct ck_unit *);   // null: every unit
    size_t (*flush)(const struct ck_unit *);  // `unit_tile.flush`; null: the tiles do not ask
    size_t group_channels, group_bytes;    // inputs of a group, and what its weights take
    size_t channel_bytes;                  // scratch bytes of a channel
    unit_pack_fn *pack;
    unit_expand_fn *expand;                // null: levels as they are
    int window_sums;                       // whether the tiles want them
    const struct unit_tiling *sums, *first;  // of convolution units; of the first unit, in f32
    const struct unit_tiling *bytes;         // of the first unit by integers; null: the path has none
};

/// Bytes of one of x, of y and of the shortcut; 0 where there is none.
struct sizes {
    size_t x, y, shortcut;
};

/// One output row for the tile's blocks; x, y, shortcut, window sums and classes are at its first position.
void unit_run_row(struct unit_tile, const struct unit_tiling *, size_t width, size_t blocks, struct sizes);

const struct unit_kernels *unit_kernels_of(enum ck_unit_path);

static inline size_t output_side(size_t side, size_t kernel, size_t stride, size_t padding) {
    return (side + 2 * padding - kernel) / stride + 1;
}
static inline size_t minimum(size_t a, size_t b) { return a < b ? a : b; }

// MARK: Packing that several paths share

/// Which entry of the table of channels `first` to `first` + 3 output o takes: Σ_j 2^j·[code of channel first + j is above `above`].
CK_INLINE uint8_t table_index(const int8_t *integer_weights, size_t output, size_t input, size_t o, size_t first, int above) {
    uint8_t index = 0;
    for (size_t j = 0; j < 4; j++) index |= (uint8_t)((integer_weights[o * output + (first + j) * input] > above) << j);
    return index;
}

/// [16 outputs][4 channels] of bytes.
static inline void pack_fours(const int8_t *integer_weights, size_t output, size_t input, void *to) {
    for (size_t o = 0; o < BLOCK; o++)
        for (size_t i = 0; i < 4; i++) ((int8_t *)to)[4 * o + i] = integer_weights[o * output + i * input];
}

// MARK: The paths

extern const struct unit_kernels unit_kernels_portable[];  // a copy each, as `ck_copy` says
#if defined(__x86_64__)
extern const struct unit_kernels unit_kernels_avx2_words, unit_kernels_avx2_bytes, unit_kernels_avx2_tables;
extern const struct unit_kernels unit_kernels_avx2_ternary_tables, unit_kernels_avx_vnni;
extern const struct unit_kernels unit_kernels_avx512_tables, unit_kernels_vnni_256, unit_kernels_vnni;
extern const struct unit_kernels unit_kernels_vbmi_tables;
#elif defined(__aarch64__)
extern const struct unit_kernels unit_kernels_neon_words, unit_kernels_neon_tables, unit_kernels_sdot, unit_kernels_usmmla;
#endif
