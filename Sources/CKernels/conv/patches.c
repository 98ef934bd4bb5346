// SPDX-License-Identifier: GPL-3.0-or-later
#include "patches.h"
#include <string.h>
#include "common/bf16.h"
#include "common/kernel.h"
#include "parallel.h"

struct job {
    const void *x;
    void *y;
    size_t size, rows, columns;
    struct ck_patches s;
};

static struct job job(const void *x, void *y, size_t size, struct ck_patches s) {
    size_t rows = (s.height + 2 * s.padding - s.kernel) / s.stride + 1, columns = (s.width + 2 * s.padding - s.kernel) / s.stride + 1;
    return (struct job){x, y, size, rows, columns, s};
}

static void gather_rows(const struct job *j, size_t begin, size_t end) {
    const struct ck_patches s = j->s;
    size_t bytes = s.channels * j->size;
    for (size_t row = begin; row < end; ++row) {
        const char *image = (const char *)j->x + row / j->rows * s.height * s.width * bytes;
        char *y = (char *)j->y + row * j->columns * s.kernel * s.kernel * bytes;
        for (size_t column = 0; column < j->columns; ++column)
            for (size_t r = 0; r < s.kernel; ++r)
                for (size_t k = 0; k < s.kernel; ++k, y += bytes) {
                    // Below 0 wraps to far above the map.
                    size_t h = row % j->rows * s.stride + r - s.padding, w = column * s.stride + k - s.padding;
                    if (h < s.height && w < s.width) memcpy(y, image + (h * s.width + w) * bytes, bytes);
                    else memset(y, 0, bytes);
                }
    }
}

void ck_patches_gather_rows(const void *x, void *patches, size_t size, struct ck_patches shape, size_t begin, size_t end) {
    struct job j = job(x, patches, size, shape);
    gather_rows(&j, begin, end);
}

static void gather(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->s.images * j->rows, worker, workers, &begin, &end);
    gather_rows(j, begin, end);
}

void ck_patches_gather(const void *x, void *patches, size_t size, struct ck_patches shape, int threads) {
    struct job j = job(x, patches, size, shape);
    ck_parallel(threads, gather, &j);
}

// Channels are summed in pieces that stay in registers or the nearest cache.
enum { PIECE = 64 };

CK_INLINE void scatter_pixel(const struct job *j, size_t n, size_t h, size_t w) {
    const struct ck_patches s = j->s;
    for (size_t first = 0; first < s.channels; first += PIECE) {
        size_t count = s.channels - first < PIECE ? s.channels - first : PIECE;
        float sum[PIECE] = {0};
        for (size_t r = 0; r < s.kernel; ++r)
            for (size_t k = 0; k < s.kernel; ++k) {
                size_t top = h + s.padding - r, left = w + s.padding - k;  // below 0 wraps
                if (top % s.stride || left % s.stride || top / s.stride >= j->rows || left / s.stride >= j->columns) continue;
                size_t place = (n * j->rows + top / s.stride) * j->columns + left / s.stride;
                const uint16_t *x = (const uint16_t *)j->x + ((place * s.kernel + r) * s.kernel + k) * s.channels + first;
                for (size_t c = 0; c < count; ++c) sum[c] += bf16_to_float(x[c]);
            }
        uint16_t *y = (uint16_t *)j->y + ((n * s.height + h) * s.width + w) * s.channels + first;
        for (size_t c = 0; c < count; ++c) y[c] = bf16_from_float(sum[c]);
    }
}

CK_WORKER(scatter) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->s.images * j->s.height, worker, workers, &begin, &end);
    for (size_t row = begin; row < end; ++row)
        for (size_t w = 0; w < j->s.width; ++w) scatter_pixel(j, row / j->s.height, row % j->s.height, w);
}

void ck_patches_scatter(const uint16_t *patches, uint16_t *x, struct ck_patches shape, int threads) {
    struct job j = job(patches, x, sizeof *patches, shape);
    ck_parallel(threads, scatter[ck_copy()], &j);
}
