// SPDX-License-Identifier: GPL-3.0-or-later
// The units of integer inference: packing, the walk over rows and tiles, the portable tiles, and the small layers.
#include "inference.h"
#include <math.h>
#include <string.h>
#include "common/kernel.h"
#include "unit_tiles.h"

enum ck_unit_path ck_unit_best_path(int binary, unsigned top) {
    unsigned vnni = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI, tables = vnni | CK_HAS_AVX512_VBMI, has = ck_features();
    if (binary && top <= 15 && (has & tables) == tables) return CK_UNIT_TABLES;
    return (has & vnni) == vnni ? CK_UNIT_VNNI : CK_UNIT_PORTABLE;
}

// MARK: Packing

static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }
static size_t group_channels(enum ck_unit_path path) { return path == CK_UNIT_TABLES ? 16 : 4; }

size_t ck_unit_packed_bytes(struct ck_unit u, enum ck_unit_path path) {
    return u.output_channels / BLOCK * u.kernel * u.kernel * (u.input_channels / group_channels(path)) * GROUP_BYTES;
}

/// What `vpermb` takes from the tables for channels 4g…4g + 3 after `code`.
static uint8_t index_of(const int8_t *code, size_t taps, size_t g) {
    uint8_t index = (uint8_t)(16 * g);
    for (size_t j = 0; j < 4; j++) index |= (uint8_t)((code[(4 * g + j) * taps] > 0) << j);
    return index;
}

void ck_unit_pack(const int8_t *codes, struct ck_unit u, enum ck_unit_path path, void *packed) {
    size_t taps = u.kernel * u.kernel, inputs = u.input_channels;
    uint8_t *to = packed;
    for (size_t block = 0; block < u.output_channels; block += BLOCK)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t first = 0; first < inputs; first += group_channels(path), to += GROUP_BYTES)
                for (size_t o = block; o < block + BLOCK; o++)
                    for (size_t g = 0; g < 4; g++) {
                        const int8_t *code = codes + o * inputs * taps + tap;
                        to[path == CK_UNIT_PORTABLE ? BLOCK * g + o % BLOCK : 4 * (o % BLOCK) + g] =
                            path == CK_UNIT_TABLES ? index_of(code + first * taps, taps, g) : (uint8_t)code[(first + g) * taps];
                    }
}

// MARK: Portable tiles

CK_INLINE float t_of(const struct unit_tile *t, float sum, size_t at, size_t channel) {
    float y = fmaf(t->a[channel], sum, t->b[channel]);
    if (!t->shortcut) return y;
    return fmaf(t->step, t->wide ? ((const float *)t->shortcut)[at] : (float)((const uint8_t *)t->shortcut)[at], y);
}

CK_INLINE void finish(const struct unit_tile *t, float sum, size_t at, size_t channel) {
    float y = t_of(t, sum, at, channel);
    if (!t->to_levels) {
        ((float *)t->y)[at] = y;
        return;
    }
    y = ceilf(y);
    ((uint8_t *)t->y)[at] = y > 0 ? (uint8_t)(y < t->top ? y : t->top) : 0;
}

CK_KERNEL(void, portable_codes, (const struct unit_tile *t), (t)) {
    int32_t sums[BLOCK] = {0};
    for (size_t r = 0; r < t->rows; r++) {
        const uint8_t *x = (const uint8_t *)t->x + r * t->x_row;
        const int8_t *w = (const int8_t *)t->weight + r * t->weight_row;
        for (size_t group = 0; group < t->groups; group++)
            for (size_t i = 0; i < 4; i++)
                for (size_t o = 0; o < BLOCK; o++) sums[o] += x[4 * group + i] * w[GROUP_BYTES * group + BLOCK * i + o];
    }
    for (size_t o = 0; o < BLOCK; o++) finish(t, (float)sums[o], o, o);
}

CK_KERNEL(void, portable_first, (const struct unit_tile *t), (t)) {
    float sums[BLOCK] = {0};
    for (size_t r = 0; r < t->rows; r++)
        for (size_t group = 0; group < t->groups; group++) {
            float x = ((const float *)t->x)[r * t->x_row + group];
            const float *w = (const float *)t->weight + r * t->weight_row + BLOCK * group;
            for (size_t o = 0; o < BLOCK; o++) sums[o] = fmaf(x, w[o], sums[o]);
        }
    for (size_t o = 0; o < BLOCK; o++) finish(t, sums[o], o, o);
}

// MARK: The walk

/// How many positions the next tile of a row takes, with `rest` left.
static size_t tile_positions(size_t rest) {
    if (rest % 8 == 0 || rest > 14) return 8;
    if (rest % 7 == 0) return 7;
    return rest > 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
}

/// One output row for the tile's blocks; x, y and shortcut are at its first position. `sizes`: bytes of one of x, y, shortcut.
static void run_row(struct unit_tile t, enum unit_kind kind, enum ck_unit_path path, size_t width, size_t blocks, size_t x_size,
                    size_t y_size, size_t shortcut_size) {
    enum ck_copy copy = ck_copy();
    for (size_t column = 0; column < width;) {
        size_t positions = path == CK_UNIT_PORTABLE ? 1 : tile_positions(width - column);
        if (path == CK_UNIT_PORTABLE) (kind == KIND_FIRST ? portable_first : portable_codes)[copy](&t);
        else unit_tile_avx512(kind, positions, blocks)(&t);
        t.x = (const char *)t.x + positions * t.x_position * x_size;
        t.y = (char *)t.y + positions * t.y_position * y_size;
        if (t.shortcut) t.shortcut = (const char *)t.shortcut + positions * t.y_position * shortcut_size;
        column += positions;
    }
}

static size_t output_side(size_t side, size_t kernel, size_t stride, size_t padding) {
    return (side + 2 * padding - kernel) / stride + 1;
}

/// Bytes of one position, and of one row with its padding, in scratch.
static size_t position_bytes(const struct ck_unit *u, enum ck_unit_path path) {
    return path == CK_UNIT_TABLES ? 4 * u->input_channels : u->input_channels;
}
static size_t row_bytes(const struct ck_unit *u, enum ck_unit_path path) {
    return (u->width + 2 * (u->kernel / 2)) * position_bytes(u, path);
}

/// Output rows whose input rows stay in the second-level cache while all weights pass over them.
static size_t chunk_rows(const struct ck_unit *u, enum ck_unit_path path) {
    enum { CHUNK_BYTES = 192 << 10 };
    size_t rows = CHUNK_BYTES / row_bytes(u, path);
    return rows > u->kernel ? (rows - u->kernel) / u->stride + 1 : 1;
}

size_t ck_unit_scratch_bytes(struct ck_unit u, enum ck_unit_path path) {
    return ((chunk_rows(&u, path) - 1) * u.stride + u.kernel) * row_bytes(&u, path);
}

/// Input rows from `first` on, counted with the padding's, to scratch.
static void expand(const struct ck_unit *u, enum ck_unit_path path, const uint8_t *x, size_t first, size_t rows, char *scratch) {
    size_t padding = u->kernel / 2, position = position_bytes(u, path), channels = u->input_channels;
    for (size_t row = first; row < first + rows; row++, scratch += row_bytes(u, path)) {
        if (row < padding || row >= u->height + padding) {
            memset(scratch, 0, row_bytes(u, path));
            continue;
        }
        const uint8_t *from = x + (row - padding) * u->width * channels;
        memset(scratch, 0, padding * position);
        memset(scratch + (padding + u->width) * position, 0, padding * position);
        if (path == CK_UNIT_TABLES) unit_tables_avx512(from, u->width * channels, (uint8_t *)scratch + padding * position);
        else memcpy(scratch + padding * position, from, u->width * channels);
    }
}

void ck_unit_run(const struct ck_unit *u, enum ck_unit_path path, const uint8_t *x, const void *shortcut, int wide, void *y,
                 size_t begin, size_t end, void *scratch) {
    size_t width = output_side(u->width, u->kernel, u->stride, u->kernel / 2), outputs = u->output_channels;
    size_t run = u->kernel * (u->input_channels / group_channels(path)), chunk = chunk_rows(u, path);
    size_t y_size = u->to_levels ? 1 : sizeof(float), shortcut_size = wide ? sizeof(float) : 1;
    size_t most_blocks = path == CK_UNIT_PORTABLE ? 1 : 2;
    for (size_t first = begin; first < end; first += chunk) {
        size_t rows = minimum(chunk, end - first);
        expand(u, path, x, first * u->stride, (rows - 1) * u->stride + u->kernel, scratch);
        for (size_t block = 0, blocks; block < outputs / BLOCK; block += blocks) {
            blocks = minimum(most_blocks, outputs / BLOCK - block);
            struct unit_tile t = {
                .weight = (const char *)u->packed + block * u->kernel * run * GROUP_BYTES,
                .x_row = row_bytes(u, path), .x_position = u->stride * position_bytes(u, path),
                .weight_row = run * GROUP_BYTES, .weight_block = u->kernel * run * GROUP_BYTES, .rows = u->kernel, .groups = run,
                .a = u->a + block * BLOCK, .b = u->b + block * BLOCK, .wide = wide, .to_levels = u->to_levels,
                .step = u->step, .top = u->top, .y_position = outputs};
            for (size_t row = first; row < first + rows; row++) {
                size_t at = row * width * outputs + block * BLOCK;
                t.x = (const char *)scratch + (row - first) * u->stride * row_bytes(u, path);
                t.y = (char *)y + at * y_size;
                t.shortcut = shortcut ? (const char *)shortcut + at * shortcut_size : NULL;
                run_row(t, path == CK_UNIT_TABLES ? KIND_TABLES : KIND_CODES, path, width, blocks, 1, y_size, shortcut_size);
            }
        }
    }
}

// MARK: The first unit

static size_t first_row_floats(const struct ck_first_unit *u) { return (u->width + 2 * u->padding) * u->input_channels; }

size_t ck_first_unit_scratch_bytes(struct ck_first_unit u) { return u.kernel * first_row_floats(&u) * sizeof(float); }

/// Input row `row`, counted with the padding's, by the table.
static void expand_first(const struct ck_first_unit *u, const uint8_t *image, size_t row, float *to) {
    size_t channels = u->input_channels, margin = u->padding * channels;
    memset(to, 0, first_row_floats(u) * sizeof *to);
    if (row < u->padding || row >= u->height + u->padding) return;
    const uint8_t *from = image + (row - u->padding) * u->width * channels;
    for (size_t column = 0; column < u->width; column++)
        for (size_t c = 0; c < channels; c++) to[margin + column * channels + c] = u->table[256 * c + from[column * channels + c]];
}

void ck_first_unit_run(const struct ck_first_unit *u, enum ck_unit_path path, const uint8_t *image, uint8_t *y, size_t begin,
                       size_t end, void *scratch) {
    size_t width = output_side(u->width, u->kernel, u->stride, u->padding), outputs = u->output_channels;
    size_t run = u->kernel * u->input_channels, most_blocks = path == CK_UNIT_PORTABLE ? 1 : 2, known = u->kernel;
    float *rows = scratch;
    for (size_t row = begin; row < end; row++) {
        // Rows that the last output row read too move up.
        size_t kept = row == begin || u->stride >= u->kernel ? 0 : u->kernel - u->stride;
        memmove(rows, rows + (known - kept) * first_row_floats(u), kept * first_row_floats(u) * sizeof *rows);
        for (size_t r = kept; r < u->kernel; r++) expand_first(u, image, row * u->stride + r, rows + r * first_row_floats(u));
        for (size_t block = 0, blocks; block < outputs / BLOCK; block += blocks) {
            blocks = minimum(most_blocks, outputs / BLOCK - block);
            struct unit_tile t = {
                .x = rows, .weight = u->weights + block * u->kernel * run * BLOCK, .x_row = first_row_floats(u),
                .x_position = u->stride * u->input_channels, .weight_row = run * BLOCK, .weight_block = u->kernel * run * BLOCK,
                .rows = u->kernel, .groups = run, .a = u->a + block * BLOCK, .b = u->b + block * BLOCK, .to_levels = 1,
                .top = u->top, .y = y + row * width * outputs + block * BLOCK, .y_position = outputs};
            run_row(t, KIND_FIRST, path, width, blocks, sizeof(float), 1, 0);
        }
    }
}

// MARK: Small layers

CK_KERNEL(void, window_row, (struct ck_level_window s, const uint8_t *x, uint8_t *y, size_t row, size_t width),
          (s, x, y, row, width)) {
    for (size_t column = 0; column < width; column++, y += s.channels) {
        memset(y, 0, s.channels);
        for (size_t r = 0; r < s.window; r++) {
            size_t h = row * s.stride + r - s.padding;  // below 0 wraps to a huge number
            if (h >= s.height) continue;
            for (size_t c = 0; c < s.window; c++) {
                size_t w = column * s.stride + c - s.padding;
                if (w >= s.width) continue;
                const uint8_t *from = x + (h * s.width + w) * s.channels;
                for (size_t i = 0; i < s.channels; i++) y[i] = from[i] > y[i] ? from[i] : y[i];
            }
        }
    }
}

void ck_level_window_max(struct ck_level_window s, const uint8_t *x, uint8_t *y, size_t begin, size_t end) {
    size_t width = output_side(s.width, s.window, s.stride, s.padding);
    enum ck_copy copy = ck_copy();
    for (size_t row = begin; row < end; row++) window_row[copy](s, x, y + row * width * s.channels, row, width);
}

void ck_level_subsample(struct ck_level_subsampling s, const uint8_t *x, uint8_t *y, size_t begin, size_t end) {
    size_t channels = s.channels + 2 * s.padding;
    for (size_t row = begin; row < end; row++)
        for (size_t column = 0; column < s.output_width; column++) {
            uint8_t *to = y + (row * s.output_width + column) * channels;
            memset(to, 0, channels);
            memcpy(to + s.padding, x + (row * s.stride * s.width + column * s.stride) * s.channels, s.channels);
        }
}

CK_KERNEL(void, level_sums, (const uint8_t *x, size_t pixels, size_t channels, int32_t *sums), (x, pixels, channels, sums)) {
    memset(sums, 0, channels * sizeof *sums);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < channels; c++) sums[c] += x[i * channels + c];
}

void ck_level_sums(const uint8_t *x, size_t pixels, size_t channels, int32_t *sums) {
    level_sums[ck_copy()](x, pixels, channels, sums);
}

CK_KERNEL(void, integer_scores, (const int32_t *sums, const int8_t *codes, size_t inputs, size_t outputs, const float *scale,
                                 const float *bias, int32_t *room, float *scores),
          (sums, codes, inputs, outputs, scale, bias, room, scores)) {
    memset(room, 0, outputs * sizeof *room);
    for (size_t k = 0; k < inputs; k++)
        for (size_t o = 0; o < outputs; o++) room[o] += sums[k] * codes[k * outputs + o];
    for (size_t o = 0; o < outputs; o++) scores[o] = fmaf(scale[o], (float)room[o], bias[o]);
}

void ck_integer_scores(const int32_t *sums, const int8_t *codes, size_t inputs, size_t outputs, const float *scale,
                       const float *bias, int32_t *room, float *scores) {
    integer_scores[ck_copy()](sums, codes, inputs, outputs, scale, bias, room, scores);
}

CK_KERNEL(void, float_scores, (const int32_t *sums, float unit, const float *weights, size_t inputs, size_t outputs,
                               const float *bias, float *scores),
          (sums, unit, weights, inputs, outputs, bias, scores)) {
    memcpy(scores, bias, outputs * sizeof *scores);
    for (size_t k = 0; k < inputs; k++) {
        float x = unit * (float)sums[k];
        for (size_t o = 0; o < outputs; o++) scores[o] = fmaf(x, weights[k * outputs + o], scores[o]);
    }
}

void ck_float_scores(const int32_t *sums, float unit, const float *weights, size_t inputs, size_t outputs, const float *bias,
                     float *scores) {
    float_scores[ck_copy()](sums, unit, weights, inputs, outputs, bias, scores);
}
