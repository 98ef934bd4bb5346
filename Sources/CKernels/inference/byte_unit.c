// SPDX-License-Identifier: GPL-3.0-or-later
// The first unit by integers: exact sums of the image's bytes, one of each colour, on planes of one colour each.
//
// In scratch, a row of the image is C planes of a pitch, each with zeros around it; to a tile, the taps of one kernel row of one
// colour are the channels of a run of groups, the last of which is filled up with weights of 0.
#include <string.h>
#include "common/kernel.h"
#include "inference.h"
#include "unit_kernels.h"

size_t ck_border_classes(size_t side, size_t kernel, size_t stride, size_t padding, uint16_t *classes, struct ck_taps *taps) {
    size_t count = 0;
    for (size_t i = 0; i < output_side(side, kernel, stride, padding); i++) {
        size_t first = i * stride;  // counted with the padding's
        struct ck_taps own = {first < padding ? minimum(padding - first, kernel) : 0, kernel};
        if (first + kernel > side + padding) own.end = side + padding > first ? side + padding - first : 0;
        if (own.end < own.begin) own.end = own.begin;
        size_t found = 0;
        while (found < count && (taps[found].begin != own.begin || taps[found].end != own.end)) found++;
        if (found == count) taps[count++] = own;
        classes[i] = (uint16_t)found;
    }
    return count;
}

// MARK: Packing

/// Groups of one kernel row of one colour.
static size_t run_groups(const struct ck_byte_unit *u, const struct unit_kernels *k) {
    return (u->kernel + k->group_channels - 1) / k->group_channels;
}

static size_t colour_bytes(const struct ck_byte_unit *u, const struct unit_kernels *k) {
    return u->kernel * run_groups(u, k) * k->group_bytes;
}

/// What `fits` and `flush` look at.
static struct ck_unit as_unit(const struct ck_byte_unit *u) {
    return (struct ck_unit){.input_channels = u->kernel, .kernel = u->kernel, .input_qmax = UINT8_MAX,
                            .largest_integer_weight = u->largest_integer_weight};
}

int ck_byte_unit_fits(const struct ck_byte_unit *u, enum ck_unit_path path) {
    const struct unit_kernels *k = unit_kernels_of(path);
    struct ck_unit unit = as_unit(u);
    return k->bytes && (!k->fits || k->fits(&unit));
}

size_t ck_byte_unit_packed_bytes(struct ck_byte_unit u, enum ck_unit_path path) {
    return u.output_channels / BLOCK * u.input_channels * colour_bytes(&u, unit_kernels_of(path));
}

void ck_byte_unit_pack(const int8_t *integer_weights, struct ck_byte_unit u, enum ck_unit_path path, void *packed) {
    enum { MOST_TAPS = 16 };  // of a kernel row with what fills its last group up
    const struct unit_kernels *k = unit_kernels_of(path);
    char *to = packed;
    for (size_t block = 0; block < u.output_channels; block += BLOCK)
        for (size_t row = 0; row < u.input_channels * u.kernel; row++) {  // of all colours
            int8_t taps[BLOCK][MOST_TAPS] = {{0}};
            for (size_t o = 0; o < BLOCK; o++)
                memcpy(taps[o], integer_weights + ((block + o) * u.input_channels * u.kernel + row) * u.kernel, u.kernel);
            for (size_t group = 0; group < run_groups(&u, k); group++, to += k->group_bytes)
                k->pack(taps[0] + group * k->group_channels, MOST_TAPS, 1, to);
        }
}

// MARK: The walk

enum { SLACK = 16 };  // numbers behind a plane's row that the last group of its last position may read

static size_t plane_bytes(const struct ck_byte_unit *u, const struct unit_kernels *k) {
    size_t bytes = (u->width + 2 * u->padding + SLACK) * k->channel_bytes;
    return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t ck_byte_unit_scratch_bytes(struct ck_byte_unit u, enum ck_unit_path path) {
    return u.kernel * u.input_channels * plane_bytes(&u, unit_kernels_of(path));
}

CK_INLINE void planes(const uint8_t *from, size_t width, size_t channels, char *to, size_t plane, size_t bytes) {
    for (size_t c = 0; c < channels; c++)
        for (size_t column = 0; column < width; column++) {
            if (bytes == 1) ((uint8_t *)(to + c * plane))[column] = from[column * channels + c];
            else ((uint16_t *)(to + c * plane))[column] = from[column * channels + c];
        }
}

/// Constants at the usual calls.
CK_KERNEL(void, row_planes, (const uint8_t *from, size_t width, size_t channels, char *to, size_t plane, size_t bytes),
          (from, width, channels, to, plane, bytes)) {
    if (channels == 3 && bytes == 1) planes(from, width, 3, to, plane, 1);
    else if (channels == 1 && bytes == 1) planes(from, width, 1, to, plane, 1);
    else planes(from, width, channels, to, plane, bytes);
}

/// Input row `row`, counted with the padding's.
static void expand(const struct ck_byte_unit *u, const struct unit_kernels *k, const uint8_t *image, size_t row, char *to) {
    size_t plane = plane_bytes(u, k);
    memset(to, 0, u->input_channels * plane);
    if (row < u->padding || row >= u->height + u->padding) return;
    const uint8_t *from = image + (row - u->padding) * u->width * u->input_channels;
    row_planes[ck_copy()](from, u->width, u->input_channels, to + u->padding * k->channel_bytes, plane, k->channel_bytes);
}

void ck_byte_unit_run(const struct ck_byte_unit *u, enum ck_unit_path path, const uint8_t *image, uint8_t *y, size_t begin, size_t end,
                      void *scratch) {
    const struct unit_kernels *k = unit_kernels_of(path);
    const struct ck_unit unit = as_unit(u);
    size_t width = output_side(u->width, u->kernel, u->stride, u->padding), outputs = u->output_channels;
    size_t plane = plane_bytes(u, k), row_bytes = u->input_channels * plane, known = u->kernel;
    size_t run_bytes = run_groups(u, k) * k->group_bytes, block_bytes = u->input_channels * colour_bytes(u, k);
    char *rows = scratch;
    for (size_t row = begin; row < end; row++) {
        // Rows that the last output row read too move up.
        size_t kept = row == begin || u->stride >= u->kernel ? 0 : u->kernel - u->stride;
        memmove(rows, rows + (known - kept) * row_bytes, kept * row_bytes);
        for (size_t r = kept; r < u->kernel; r++) expand(u, k, image, row * u->stride + r, rows + r * row_bytes);
        for (size_t block = 0; block < outputs / BLOCK; block++) {
            struct unit_tile t = {
                .x = rows, .weight = (const char *)u->packed + block * block_bytes, .x_row = row_bytes,
                .x_position = u->stride * k->channel_bytes, .weight_row = run_bytes, .rows = u->kernel, .groups = run_groups(u, k),
                .a = u->a + block * BLOCK, .b = u->b + u->row_classes[row] * u->column_class_count * outputs + block * BLOCK,
                .to_levels = 1, .qmax = u->qmax, .y = y + row * width * outputs + block * BLOCK, .y_position = outputs,
                .flush = k->flush ? k->flush(&unit) : 0, .colours = u->input_channels, .x_colour = plane,
                .weight_colour = colour_bytes(u, k), .a_colour = outputs, .b_class = outputs, .column_classes = u->column_classes};
            unit_run_row(t, k->bytes, width, 1, (struct sizes){1, 1, 0});
        }
    }
}
