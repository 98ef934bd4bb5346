// SPDX-License-Identifier: GPL-3.0-or-later
// Forward pass and input gradient: cuts the target maps into register blocks and lists each block's valid taps.
//
// Both passes are the same walk: a source map, a target map, and packed weights; only the rule that says which source
// position a tap reads differs. Forward, tap r of target row h reads source row h·stride + r − p. For the input
// gradient the target row h receives from the source rows (h + p − r)/stride that are whole: with stride 2 every other
// tap. Packed kernel rows are in the order of rising source rows, phase by phase, so that valid taps are adjacent.
#include "conv_blocks.h"
#include "parallel.h"

/// Target and source sides along one dimension, and the rule between them.
struct axis {
    size_t target, source, kernel, stride, padding;
    int backward;
};

/// The valid taps of one target position: source positions [source, source + count) and packed taps [tap, tap + count).
struct taps {
    size_t source, tap, count;
};

static struct taps forward_taps(struct axis a, size_t position) {
    size_t centre = position * a.stride;
    size_t first = centre < a.padding ? a.padding - centre : 0;
    size_t last = a.source + a.padding - centre;  // the first tap beyond the source
    if (last > a.kernel) last = a.kernel;
    return (struct taps){centre + first - a.padding, first, last - first};
}

/// The taps of phase f are f, f + stride, … < K; packed in falling order, the phases one after the other.
static struct taps backward_taps(struct axis a, size_t position) {
    size_t phase = (position + a.padding) % a.stride, before = 0;
    for (size_t f = 0; f < phase; f++) before += (a.kernel - f + a.stride - 1) / a.stride;
    struct taps taps = {0, before, 0};
    size_t in_phase = phase < a.kernel ? (a.kernel - phase + a.stride - 1) / a.stride : 0;
    for (size_t j = 0; j < in_phase; j++) {  // tap K' − j·stride, the largest of the phase first
        size_t tap = phase + (in_phase - 1 - j) * a.stride;
        if (position + a.padding < tap) continue;
        size_t source = (position + a.padding - tap) / a.stride;
        if (source >= a.source) continue;
        if (taps.count++ == 0) taps.source = source, taps.tap = before + j;
    }
    return taps;
}

static struct taps taps_of(struct axis a, size_t position) {
    return a.backward ? backward_taps(a, position) : forward_taps(a, position);
}

/// Target positions of one row with the same taps, `walk.step` apart: a row has an edge, a middle and an edge for each
/// phase.
struct segment {
    size_t column, positions;
    struct taps taps;
};
enum { MAX_SEGMENTS = 6 };

struct walk {
    struct axis rows, columns;
    size_t images, source_channels, target_channels, source_size, weight_size, target_size, group;
    const char *source, *weight;
    char *target;
    const struct conv_tiles *tiles;
    float scale;
    size_t step, source_step;  // columns from one position of a segment to the next, in the target and in the source
    struct segment segments[MAX_SEGMENTS];
    size_t segment_count;
};

static void cut_row(struct walk *k) {
    k->step = k->columns.backward ? k->columns.stride : 1;
    k->source_step = k->columns.backward ? 1 : k->columns.stride;
    for (size_t phase = 0; phase < k->step; phase++) {
        struct segment *last = NULL;
        for (size_t column = phase; column < k->columns.target; column += k->step) {
            struct taps taps = taps_of(k->columns, column);
            if (last == NULL || last->taps.tap != taps.tap || last->taps.count != taps.count) {
                last = &k->segments[k->segment_count++];
                *last = (struct segment){column, 0, taps};
            }
            last->positions++;
        }
    }
}

/// One row of the target for `images` images from `image` on, and `blocks` blocks of 16 channels from `block` on.
struct strip {
    size_t image, images, row, block, blocks;
};

static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }
static size_t row_bytes(const struct walk *k) { return k->columns.source * k->source_channels * k->source_size; }
static size_t tap_bytes(const struct walk *k) { return k->source_channels * BLOCK_CHANNELS * k->weight_size; }

/// Runs `tile` over the strip's images and blocks; `b` is set but for its source, target and weight, which lie at the
/// given bytes of the first image and block.
static void run_tile(const struct walk *k, struct strip strip, const struct conv_tile *tile, struct conv_block *b,
                     size_t source, size_t target) {
    for (size_t block = strip.block; block < strip.block + strip.blocks; block += (size_t)tile->blocks) {
        b->weight = k->weight + block * b->weight_block;
        for (size_t image = strip.image; image < strip.image + strip.images; image += (size_t)tile->images) {
            b->source = k->source + image * b->source_image + source;
            b->target = k->target + image * b->target_image + target + block * BLOCK_CHANNELS * k->target_size;
            tile->run(b);
        }
    }
}

/// The widest tiles first, each as often as it fits.
static void run_segment(const struct walk *k, struct strip strip, struct segment segment, struct conv_block *b, size_t source,
                        size_t target) {
    int three_taps = segment.taps.count == 3 && k->source_step == 1;
    const struct conv_tile *tile = k->tiles->tiles;
    for (size_t left = segment.positions; left > 0; tile++) {
        if ((size_t)tile->images > strip.images || (size_t)tile->blocks > strip.blocks || tile->three_taps > three_taps) continue;
        b->repeats = left / (size_t)tile->positions;
        if (b->repeats == 0) continue;
        run_tile(k, strip, tile, b, source, target);
        size_t done = b->repeats * (size_t)tile->positions;
        left -= done;
        source += done * b->source_position;
        target += done * b->target_position;
    }
}

static void run_strip(const struct walk *k, struct strip strip) {
    size_t channel_bytes = k->source_channels * k->source_size, target_bytes = k->target_channels * k->target_size;
    struct taps rows = taps_of(k->rows, strip.row);
    struct conv_block b = {
        .source_image = k->rows.source * row_bytes(k), .source_position = k->source_step * channel_bytes,
        .target_image = k->rows.target * k->columns.target * target_bytes, .target_position = k->step * target_bytes,
        .weight_block = k->rows.kernel * k->columns.kernel * tap_bytes(k), .scale = k->scale};
    for (size_t i = 0; i < k->segment_count; i++) {
        struct segment segment = k->segments[i];
        b.run_count = segment.taps.count == 0 ? 0 : (int)rows.count;
        for (size_t r = 0; r < rows.count; r++)
            b.runs[r] = (struct conv_run){
                r * row_bytes(k), ((rows.tap + r) * k->columns.kernel + segment.taps.tap) * tap_bytes(k),
                segment.taps.count * k->source_channels / k->group};
        size_t source = rows.source * row_bytes(k) + segment.taps.source * channel_bytes;
        run_segment(k, strip, segment, &b, source, (strip.row * k->columns.target + segment.column) * target_bytes);
    }
}

/// The images go in groups of BLOCK_IMAGES, the last few one by one; the work's unit is one row of one group.
static struct strip strip_of(const struct walk *k, size_t unit) {
    size_t full = k->images / BLOCK_IMAGES, group = unit / k->rows.target;
    struct strip strip = {.row = unit % k->rows.target};
    strip.image = group < full ? group * BLOCK_IMAGES : full * BLOCK_IMAGES + (group - full);
    strip.images = group < full ? BLOCK_IMAGES : 1;
    return strip;
}

/// The worker's units in chunks whose source stays in the second-level cache while all weights pass over it.
static void run_worker(void *context, int worker, int workers) {
    enum { CHUNK_BYTES = 256 << 10 };
    const struct walk *k = context;
    size_t groups = k->images / BLOCK_IMAGES + k->images % BLOCK_IMAGES, begin, end;
    ck_share(groups * k->rows.target, worker, workers, &begin, &end);
    size_t chunk = CHUNK_BYTES / (BLOCK_IMAGES * row_bytes(k)) + 1;
    size_t blocks = k->target_channels / BLOCK_CHANNELS;
    for (size_t first = begin; first < end; first += chunk)
        for (size_t block = 0; block < blocks; block += 2)
            for (size_t unit = first; unit < minimum(first + chunk, end); unit++) {
                struct strip strip = strip_of(k, unit);
                strip.block = block;
                strip.blocks = minimum(2, blocks - block);
                run_strip(k, strip);
            }
}

/// Sizes in bytes of one of x, of the weights and of y.
struct sizes {
    size_t x, weight, y;
};
static const struct sizes LEVELS_TO_S32 = {1, 1, 4}, LEVELS_TO_S16 = {1, 1, 2}, BF16_VALUES = {2, 2, 2};

static void forward(const void *x, const void *packed, void *y, struct sizes sizes, struct ck_conv c,
                    const struct conv_tiles *tiles, int threads) {
    struct walk walk = {
        .rows = {ck_conv_output_side(c.height, c.stride), c.height, c.kernel, c.stride, c.kernel / 2, 0},
        .columns = {ck_conv_output_side(c.width, c.stride), c.width, c.kernel, c.stride, c.kernel / 2, 0},
        .images = c.images, .source_channels = c.input_channels, .target_channels = c.output_channels,
        .source_size = sizes.x, .weight_size = sizes.weight, .target_size = sizes.y,
        .group = sizes.x == 1 ? LEVEL_GROUP : PAIR, .source = x, .weight = packed, .target = y, .tiles = tiles};
    cut_row(&walk);
    ck_parallel(threads, run_worker, &walk);
}

static void input_gradient(const void *dy, float scale, const void *packed, void *dx, struct ck_conv c,
                           const struct conv_tiles *tiles, int threads) {
    struct walk walk = {
        .rows = {c.height, ck_conv_output_side(c.height, c.stride), c.kernel, c.stride, c.kernel / 2, 1},
        .columns = {c.width, ck_conv_output_side(c.width, c.stride), c.kernel, c.stride, c.kernel / 2, 1},
        .images = c.images, .source_channels = c.output_channels, .target_channels = c.input_channels,
        .source_size = sizeof(uint16_t), .weight_size = sizeof(uint16_t), .target_size = sizeof(uint16_t), .group = PAIR,
        .source = dy, .weight = packed, .target = dx, .tiles = tiles, .scale = scale};
    cut_row(&walk);
    ck_parallel(threads, run_worker, &walk);
}

void ck_conv_forward_s32(const uint8_t *x, const void *packed, int32_t *y, struct ck_conv c, enum ck_conv_path path, int threads) {
    forward(x, packed, y, LEVELS_TO_S32, c, conv_kernels(path)->tiles[FORWARD_S32], threads);
}
void ck_conv_forward_s16(const uint8_t *x, const void *packed, int16_t *y, struct ck_conv c, enum ck_conv_path path, int threads) {
    forward(x, packed, y, LEVELS_TO_S16, c, conv_kernels(path)->tiles[FORWARD_S16], threads);
}
void ck_conv_forward_bf16(const uint16_t *x, const void *packed, uint16_t *y, struct ck_conv c, enum ck_conv_path path, int threads) {
    forward(x, packed, y, BF16_VALUES, c, conv_kernels(path)->tiles[BF16_TO_BF16], threads);
}
void ck_conv_input_gradient_bf16(const uint16_t *dy, const void *packed, uint16_t *dx, struct ck_conv c, enum ck_conv_path path,
                                 int threads) {
    input_gradient(dy, 1, packed, dx, c, conv_kernels(path)->tiles[BF16_TO_BF16], threads);
}
void ck_conv_input_gradient_s16(const int16_t *dy, float scale, const void *packed, uint16_t *dx, struct ck_conv c,
                                enum ck_conv_path path, int threads) {
    input_gradient(dy, scale, packed, dx, c, conv_kernels(path)->tiles[S16_TO_BF16], threads);
}
