// SPDX-License-Identifier: GPL-3.0-or-later
// The units of integer inference: the paths, packing, and the walk over rows and tiles.
#include "inference.h"
#include <string.h>
#include "unit_kernels.h"

// MARK: Paths

static const struct unit_kernels *const PATHS[CK_UNIT_PATH_COUNT] = {
    [CK_UNIT_PORTABLE] = unit_kernels_portable,
#if defined(__x86_64__)
    [CK_UNIT_AVX2_WORDS] = &unit_kernels_avx2_words,
    [CK_UNIT_AVX2_BYTES] = &unit_kernels_avx2_bytes,
    [CK_UNIT_AVX2_TABLES] = &unit_kernels_avx2_tables,
    [CK_UNIT_AVX2_TERNARY_TABLES] = &unit_kernels_avx2_ternary_tables,
    [CK_UNIT_AVX_VNNI] = &unit_kernels_avx_vnni,
    [CK_UNIT_AVX512_TABLES] = &unit_kernels_avx512_tables,
    [CK_UNIT_VNNI_256] = &unit_kernels_vnni_256,
    [CK_UNIT_VNNI] = &unit_kernels_vnni,
    [CK_UNIT_VBMI_TABLES] = &unit_kernels_vbmi_tables,
#elif defined(__aarch64__)
    [CK_UNIT_NEON_WORDS] = &unit_kernels_neon_words,
    [CK_UNIT_NEON_TABLES] = &unit_kernels_neon_tables,
    [CK_UNIT_SDOT] = &unit_kernels_sdot,
    [CK_UNIT_USMMLA] = &unit_kernels_usmmla,
#endif
};

const struct unit_kernels *unit_kernels_of(enum ck_unit_path path) {
    return path == CK_UNIT_PORTABLE ? &unit_kernels_portable[ck_copy()] : PATHS[path];
}

const char *ck_unit_path_name(enum ck_unit_path path) { return unit_kernels_of(path) ? unit_kernels_of(path)->name : NULL; }

int ck_unit_has_path(enum ck_unit_path path) { return unit_kernels_of(path) && (unit_kernels_of(path)->needs & ~ck_features()) == 0; }

int ck_unit_fits(const struct ck_unit *u, enum ck_unit_path path) { return !unit_kernels_of(path)->fits || unit_kernels_of(path)->fits(u); }

// MARK: Packing

/// Groups of one kernel row of one block of outputs.
static size_t run_groups(const struct ck_unit *u, const struct unit_kernels *k) {
    return u->kernel * (u->input_channels / k->group_channels);
}

size_t ck_unit_packed_bytes(struct ck_unit u, enum ck_unit_path path) {
    return u.output_channels / BLOCK * u.kernel * run_groups(&u, unit_kernels_of(path)) * unit_kernels_of(path)->group_bytes;
}

void ck_unit_pack(const int8_t *integer_weights, struct ck_unit u, enum ck_unit_path path, void *packed) {
    const struct unit_kernels *k = unit_kernels_of(path);
    size_t taps = u.kernel * u.kernel, output = u.input_channels * taps;
    char *to = packed;
    for (size_t block = 0; block < u.output_channels; block += BLOCK)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t first = 0; first < u.input_channels; first += k->group_channels, to += k->group_bytes)
                k->pack(integer_weights + block * output + first * taps + tap, output, taps, to);
}

// MARK: The walk

void unit_run_row(struct unit_tile t, const struct unit_tiling *tiling, size_t width, size_t blocks, struct sizes size) {
    for (size_t column = 0; column < width;) {
        size_t positions = tiling->positions(width - column, blocks);
        tiling->tile(positions, blocks)(&t);
        t.x = (const char *)t.x + positions * t.x_position * size.x;
        t.y = (char *)t.y + positions * t.y_position * size.y;
        if (t.shortcut) t.shortcut = (const char *)t.shortcut + positions * t.y_position * size.shortcut;
        if (t.window_sums) t.window_sums += positions;
        if (t.column_classes) t.column_classes += positions;
        column += positions;
    }
}

/// The input rows in scratch, and the output rows that are made from them before the next ones: so many that they stay in the
/// second-level cache while all weights pass over them. Of rows and columns that no output reads, there is none.
struct chunk {
    size_t step, stride;          // from one row or column that is read to the next; of the outputs, in those
    size_t width, position, row;  // columns with their padding; bytes of one position and of one row
    size_t rows, input_rows;
    size_t sums, window_sums;     // where the sums of positions and of windows begin; the bytes of all
    size_t bytes;
};

static struct chunk chunk_of(const struct ck_unit *u, const struct unit_kernels *k) {
    enum { CHUNK_BYTES = 192 << 10, PAGE = 4096 };
    struct chunk c = {.step = u->kernel == 1 ? u->stride : 1, .position = k->channel_bytes * u->input_channels};
    c.stride = u->stride / c.step;
    c.width = (u->width - 1) / c.step + 1 + 2 * (u->kernel / 2);
    c.row = (c.width * c.position + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    if (c.row % PAGE == 0) c.row += CACHE_LINE;  // or the rows of a window would share their places in the cache
    size_t fit = CHUNK_BYTES / c.row;
    c.rows = fit > u->kernel ? (fit - u->kernel) / c.stride + 1 : 1;
    c.input_rows = (c.rows - 1) * c.stride + u->kernel;
    c.bytes = c.sums = c.input_rows * c.row;
    if (!k->window_sums) return c;
    c.window_sums = c.sums + c.input_rows * c.width * sizeof(int32_t);
    c.bytes = c.window_sums + c.rows * output_side(u->width, u->kernel, u->stride, u->kernel / 2) * sizeof(int32_t);
    return c;
}

size_t ck_unit_scratch_bytes(struct ck_unit u, enum ck_unit_path path) { return chunk_of(&u, unit_kernels_of(path)).bytes; }

/// `columns` positions of x to scratch as the tiles read them, and their sums.
static void expand_row(const struct ck_unit *u, const struct unit_kernels *k, size_t step, const uint8_t *x, size_t columns, char *to,
                       int32_t *sums) {
    size_t channels = u->input_channels, position = k->channel_bytes * channels;
    size_t run = step == 1 ? columns : 1;
    for (size_t w = 0; w < columns; w += run, x += run * step * channels, to += run * position) {
        if (k->expand) k->expand(x, run, channels, to, sums ? sums + w : NULL);
        else memcpy(to, x, run * channels);
    }
}

/// Rows that are read, from `first` on, counted with the padding's, to scratch.
static void expand(const struct ck_unit *u, const struct unit_kernels *k, struct chunk c, const uint8_t *x, size_t first,
                   size_t rows, char *scratch) {
    size_t padding = u->kernel / 2, margin = padding * c.position, columns = c.width - 2 * padding, height = (u->height - 1) / c.step + 1;
    int32_t *sums = k->window_sums ? (int32_t *)(scratch + c.sums) : NULL;
    for (size_t row = first; row < first + rows; row++, scratch += c.row) {
        int inside = row >= padding && row < height + padding;
        memset(scratch, 0, inside ? margin : c.width * c.position);
        if (inside) {
            const uint8_t *from = x + (row - padding) * c.step * u->width * u->input_channels;
            memset(scratch + (padding + columns) * c.position, 0, margin);
            expand_row(u, k, c.step, from, columns, scratch + margin, sums ? sums + padding : NULL);
        }
        if (!sums) continue;
        memset(sums, 0, (inside ? padding : c.width) * sizeof *sums);
        memset(sums + c.width - padding, 0, padding * sizeof *sums);
        sums += c.width;
    }
}

/// to[w] = Σ over the window of output w of one row; `sums` at the window's first row.
CK_KERNEL(void, add_windows, (size_t kernel, size_t stride, const int32_t *sums, size_t row, size_t width, int32_t *restrict to),
          (kernel, stride, sums, row, width, to)) {
    for (size_t w = 0; w < width; w++) to[w] = 0;
    for (size_t r = 0; r < kernel; r++, sums += row)
        for (size_t s = 0; s < kernel; s++) {
            if (stride == 1) for (size_t w = 0; w < width; w++) to[w] += sums[w + s];
            else for (size_t w = 0; w < width; w++) to[w] += sums[2 * w + s];
        }
}

void ck_unit_run(const struct ck_unit *u, enum ck_unit_path path, const uint8_t *x, const void *shortcut, int wide, void *y,
                 size_t begin, size_t end, void *scratch) {
    const struct unit_kernels *k = unit_kernels_of(path);
    const struct chunk c = chunk_of(u, k);
    size_t width = output_side(u->width, u->kernel, u->stride, u->kernel / 2), outputs = u->output_channels;
    size_t run_bytes = run_groups(u, k) * k->group_bytes;
    struct sizes size = {1, u->to_levels ? 1 : sizeof(float), wide ? sizeof(float) : 1};
    int32_t *windows = k->window_sums ? (int32_t *)((char *)scratch + c.window_sums) : NULL;
    for (size_t first = begin; first < end; first += c.rows) {
        size_t rows = minimum(c.rows, end - first);
        expand(u, k, c, x, first * c.stride, (rows - 1) * c.stride + u->kernel, scratch);
        for (size_t row = 0; windows && row < rows; row++)
            add_windows[ck_copy()](
                u->kernel, c.stride, (const int32_t *)((char *)scratch + c.sums) + row * c.stride * c.width, c.width, width,
                windows + row * width);
        for (size_t block = 0, blocks; block < outputs / BLOCK; block += blocks) {
            blocks = minimum(k->sums->blocks, outputs / BLOCK - block);
            struct unit_tile t = {
                .weight = (const char *)u->packed + block * u->kernel * run_bytes,
                .x_row = c.row, .x_position = c.stride * c.position,
                .weight_row = run_bytes, .weight_block = u->kernel * run_bytes, .rows = u->kernel, .groups = run_groups(u, k),
                .a = u->a + block * BLOCK, .b = u->b + block * BLOCK, .wide = wide, .to_levels = u->to_levels,
                .step = u->step, .qmax = u->qmax, .y_position = outputs, .flush = k->flush ? k->flush(u) : 0};
            for (size_t row = first; row < first + rows; row++) {
                size_t at = row * width * outputs + block * BLOCK;
                t.x = (const char *)scratch + (row - first) * c.stride * c.row;
                t.y = (char *)y + at * size.y;
                t.shortcut = shortcut ? (const char *)shortcut + at * size.shortcut : NULL;
                t.window_sums = windows ? windows + (row - first) * width : NULL;
                unit_run_row(t, k->sums, width, blocks, size);
            }
        }
    }
}
