// SPDX-License-Identifier: GPL-3.0-or-later
// What the tiling of the convolutions asks of a register block, for each instruction set.
//
// A dot-product instruction adds, in each of 16 lanes, a group of adjacent products: 4 of u8×s8, or 2 of bf16×bf16 or s16×s16.
// So weights are packed as [blocks of 16 target channels][kernel row][kernel column][groups][16][group], groups being
// little-endian words, and one source group is broadcast to the 16 lanes. The source channels of adjacent columns are
// contiguous, and so are the weights of adjacent kernel columns: for each kernel row, the valid taps of one position
// are one run of groups.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "conv.h"

enum { BLOCK_CHANNELS = 16, BLOCK_IMAGES = 8, LEVEL_GROUP = 4, PAIR = 2 };

/// One run: byte offsets into the source and the weights, and a number of groups.
struct conv_run {
    size_t source, weight, groups;
};

/// A register block of `images` × `positions` × `channels` sums, and how often it is repeated along a row, with the
/// same taps. All steps are in bytes.
struct conv_block {
    const char *source, *weight;
    char *target;
    size_t source_image, source_position, target_image, target_position;
    size_t weight_block;  // from one block of 16 target channels to the next
    size_t repeats;
    float scale;  // of sums of words, before they are rounded
    struct conv_run runs[3];
    int run_count;
};
typedef void conv_block_fn(const struct conv_block *);

/// The block shapes that a path offers for one pass, widest first; the last is 1 image × 1 position × 16 channels. All that may
/// compute a position add up in the same order, whatever the number of images.
struct conv_tile {
    int images, positions, blocks;  // blocks of 16 channels
    int three_taps;                 // works only where a run is three taps, and positions read adjacent columns
    conv_block_fn *run;
};
struct conv_tiles {
    int count;
    struct conv_tile tiles[11];
};
enum conv_pass { FORWARD_S32, FORWARD_S16, BF16_TO_BF16, S16_TO_BF16, PASSES };

/// The weight gradient of one tap for a block of input × output channels: sums over `rows` × `columns` × `run` pairs of
/// images. Both sources hold pairs of bf16, or of s16, two images' values side by side; steps count pairs.
struct conv_weight_block {
    const uint32_t *x, *dy;
    size_t rows, columns, run;
    size_t x_row, x_column, dy_row, dy_column;
    float *sums;      // [input channels of the block][taps][output channels of the block]
    double *totals;   // in their place, of s16: exact
    size_t sums_row;  // from one input channel to the next
    size_t most;      // pairs of s16 whose sum of products fits 32 bits
};
typedef void conv_weight_fn(const struct conv_weight_block *);

/// Output channels by 16 or by 32, input channels such that the sums fill the registers.
enum { NARROW_INPUTS = 16, NARROW_OUTPUTS = 16, WIDE_INPUTS = 8, WIDE_OUTPUTS = 32 };

/// What is paired: numbers of 16 bits as they are, or levels as bf16 or as s16.
enum conv_paired { PAIR_NUMBERS, PAIR_LEVELS_BF16, PAIR_LEVELS_S16 };

/// Packs one pair of images a, b [pixels, channels] into panels [channels/block][pixels][pairs][block] of pairs of 16 bits,
/// `to` pointing at the pair's place: to[...] = (a's value, b's value), only a's where `single`.
struct conv_pair_packing {
    const void *a, *b;
    uint32_t *to;
    size_t pixels, channels, block, pairs;  // block: 8, 16 or 32
    int single;
    enum conv_paired kind;
};
typedef void conv_pair_fn(const struct conv_pair_packing *);

/// All that a path is made of: the blocks of each pass, and the weight gradient's steps: packing, and the sums of bf16 and of s16.
struct conv_kernels {
    const struct conv_tiles *tiles[PASSES];
    conv_pair_fn *pair;
    conv_weight_fn *narrow, *wide, *narrow_s16, *wide_s16;
};
extern const struct conv_kernels conv_kernels_portable[];  // a copy each, as `ck_copy` says
#if defined(__x86_64__)
extern const struct conv_kernels conv_kernels_avx2, conv_kernels_avx512;
#endif
const struct conv_kernels *conv_kernels(enum ck_conv_path);
