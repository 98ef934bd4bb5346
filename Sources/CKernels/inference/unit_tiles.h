// SPDX-License-Identifier: GPL-3.0-or-later
// What the units of integer inference ask of a register tile, for each path.
//
// Weights lie in blocks of 16 output channels, [O/16][K][K][groups][64 bytes]: for a group of 4 input channels the codes
// [16][4] (portable: [4][16]); on the tables path, for a group of 16, the indices [16][4] of 16·g + Σ_j 2^j·[code of channel 4g + j is +1].
// Before a tile runs, the input rows that it reads have been copied to scratch with zeros around them, as they are or as
// tables: so every position has all its taps, and those of one kernel row are one run of groups.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "inference.h"

enum { BLOCK = 16, GROUP_BYTES = 64 };

/// `positions` × 16·`blocks` results, from `rows` runs of `groups` groups. Steps of x and weights are in bytes, for the first
/// unit in floats.
struct unit_tile {
    const void *x, *weight;
    size_t x_row, x_position, weight_row, weight_block, rows, groups;
    const float *a, *b;
    const void *shortcut;  // at the first result, or null
    int wide, to_levels;
    float step, top;
    void *y;  // at the first result
    size_t y_position;  // results from one position to the next, in y and in the shortcut
};
typedef void unit_tile_fn(const struct unit_tile *);

/// The tile for 8, 7, 4, 2 or 1 positions and 1 or 2 blocks; portable ones take any.
enum unit_kind { KIND_CODES, KIND_TABLES, KIND_FIRST };
unit_tile_fn *unit_tile_avx512(enum unit_kind, size_t positions, size_t blocks);

/// tables[c/16][64] of one position's levels [channels]: the sum ±x over channels 4g…4g+3 at byte 16·g + signs.
void unit_tables_avx512(const uint8_t *x, size_t channels, uint8_t *tables);
