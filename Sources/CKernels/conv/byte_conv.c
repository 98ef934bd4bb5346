// SPDX-License-Identifier: GPL-3.0-or-later
#include "byte_conv.h"
#include <math.h>
#include "common/kernel.h"
#include "parallel.h"

enum { ALIGNMENT = 64 };

static size_t image_count(const struct ck_byte_unit *u) { return u->height * u->width * u->input_channels; }
static size_t image_bytes(const struct ck_byte_unit *u) { return (image_count(u) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

size_t ck_byte_conv_scratch_bytes(struct ck_byte_unit u, enum ck_unit_path path) {
    return (image_bytes(&u) + ck_byte_unit_scratch_bytes(u, path) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

struct job {
    const float *images;
    struct ck_byte_images format;
    const struct ck_byte_unit *unit;
    enum ck_unit_path path;
    uint8_t *levels;
    char *scratch;
};

CK_WORKER(forward) {
    const struct job *j = context;
    const struct ck_byte_unit *u = j->unit;
    size_t begin, end, channels = u->input_channels, pixels = image_count(u);
    size_t rows = (u->height + 2 * u->padding - u->kernel) / u->stride + 1;
    size_t columns = (u->width + 2 * u->padding - u->kernel) / u->stride + 1;
    uint8_t *bytes = (uint8_t *)j->scratch + (size_t)worker * ck_byte_conv_scratch_bytes(*u, j->path);
    ck_share(j->format.count, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; n++) {
        for (size_t i = 0; i < pixels; i += channels)
            for (size_t c = 0; c < channels; c++) {
                float x = 255 * (j->images[n * pixels + i + c] * j->format.std[c] + j->format.mean[c]);
                bytes[i + c] = (uint8_t)(fminf(fmaxf(x, 0), 255) + 0.5f);
            }
        ck_byte_unit_run(u, j->path, bytes, j->levels + n * rows * columns * u->output_channels, 0, rows, bytes + image_bytes(u));
    }
}

void ck_byte_conv_forward(const float *images, struct ck_byte_images format, const struct ck_byte_unit *unit, enum ck_unit_path path,
                          uint8_t *levels, void *scratch, int threads) {
    struct job j = {.images = images, .format = format, .unit = unit, .path = path, .levels = levels, .scratch = scratch};
    ck_parallel(threads, forward[ck_copy()], &j);
}
