// SPDX-License-Identifier: GPL-3.0-or-later
// The first unit in f32: the image's bytes by a table, then a convolution of floats.
#include <string.h>
#include "inference.h"
#include "unit_kernels.h"

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
    size_t run = u->kernel * u->input_channels, known = u->kernel;
    const struct unit_tiling *tiling = unit_kernels_of(path)->first;
    float *rows = scratch;
    for (size_t row = begin; row < end; row++) {
        // Rows that the last output row read too move up.
        size_t kept = row == begin || u->stride >= u->kernel ? 0 : u->kernel - u->stride;
        memmove(rows, rows + (known - kept) * first_row_floats(u), kept * first_row_floats(u) * sizeof *rows);
        for (size_t r = kept; r < u->kernel; r++) expand_first(u, image, row * u->stride + r, rows + r * first_row_floats(u));
        for (size_t block = 0, blocks; block < outputs / BLOCK; block += blocks) {
            blocks = minimum(tiling->blocks, outputs / BLOCK - block);
            struct unit_tile t = {
                .x = rows, .weight = u->weights + block * u->kernel * run * BLOCK, .x_row = first_row_floats(u),
                .x_position = u->stride * u->input_channels, .weight_row = run * BLOCK, .weight_block = u->kernel * run * BLOCK,
                .rows = u->kernel, .groups = run, .a = u->a + block * BLOCK, .b = u->b + block * BLOCK, .to_levels = 1,
                .qmax = u->qmax, .y = y + row * width * outputs + block * BLOCK, .y_position = outputs};
            unit_run_row(t, tiling, width, blocks, (struct sizes){sizeof(float), 1, 0});
        }
    }
}
