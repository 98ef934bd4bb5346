// SPDX-License-Identifier: GPL-3.0-or-later
// The convolution of the images, sixteen outputs at a time.
#include <string.h>
#include "common/kernel.h"
#include "common/vectors.h"
#include "ordered.h"
#include "parallel.h"

#pragma clang fp contract(off)
enum { PIXELS = 4, MOST_OUTPUTS = 64 };

struct job {
    const float *x, *packed;
    float *y, *scratch;
    const uint16_t *dy;
    struct ck_first_conv c;
};

/// [O/16][K][K][C][16].
void ck_first_conv_pack(const float *weight, struct ck_first_conv c, float *packed) {
    size_t taps = c.kernel * c.kernel;
    for (size_t o = 0; o < c.outputs; o++)
        for (size_t i = 0; i < c.channels; i++)
            for (size_t tap = 0; tap < taps; tap++)
                packed[((o / W * taps + tap) * c.channels + i) * W + o % W] = weight[(o * c.channels + i) * taps + tap];
}

// MARK: Forward

static size_t padded_row(struct ck_first_conv c) { return (c.width + 2 * c.padding) * c.channels; }
static size_t padded_floats(struct ck_first_conv c) { return (c.height + 2 * c.padding) * padded_row(c); }
size_t ck_first_conv_scratch_floats(struct ck_first_conv c, int threads) { return (size_t)threads * padded_floats(c); }

static void pad(const float *image, float *padded, struct ck_first_conv c) {
    size_t row = c.width * c.channels;
    memset(padded, 0, padded_floats(c) * sizeof *padded);
    for (size_t h = 0; h < c.height; h++)
        memcpy(padded + (h + c.padding) * padded_row(c) + c.padding * c.channels, image + h * row, row * sizeof *image);
}

/// `count` neighbouring pixels of one row, sixteen outputs.
CK_INLINE void pixels(const float *x, size_t step, const float *w, float *y, struct ck_first_conv c, size_t count) {
    f32v sums[PIXELS] = {{0}};
    size_t run = c.kernel * c.channels;
    for (size_t r = 0; r < c.kernel; r++, x += padded_row(c))
        for (size_t t = 0; t < run; t++, w += W) {
            f32v weights = LOAD(f32v, w);
            for (size_t p = 0; p < count; p++) sums[p] = fused((f32v){0} + x[p * step + t], weights, sums[p]);
        }
    for (size_t p = 0; p < count; p++) STORE(y + p * c.outputs, sums[p]);
}

CK_WORKER(forward) {
    const struct job *j = context;
    const struct ck_first_conv c = j->c;
    size_t begin, end, rows = ck_first_conv_output_side(c.height, c), columns = ck_first_conv_output_side(c.width, c);
    float *padded = j->scratch + (size_t)worker * padded_floats(c);
    size_t step = c.stride * c.channels, block = c.kernel * c.kernel * c.channels * W;
    ck_share(c.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; n++) {
        pad(j->x + n * c.height * c.width * c.channels, padded, c);
        for (size_t h = 0; h < rows; h++)
            for (size_t o = 0; o < c.outputs / W; o++) {
                const float *x = padded + h * c.stride * padded_row(c), *w = j->packed + o * block;
                float *y = j->y + ((n * rows + h) * columns) * c.outputs + o * W;
                size_t column = 0;
                for (; column + PIXELS <= columns; column += PIXELS) pixels(x + column * step, step, w, y + column * c.outputs, c, PIXELS);
                for (; column < columns; column++) pixels(x + column * step, step, w, y + column * c.outputs, c, 1);
            }
    }
}

void ck_first_conv_forward(const float *x, const float *packed, float *y, struct ck_first_conv c, float *scratch, int threads) {
    struct job j = {.x = x, .packed = packed, .y = y, .scratch = scratch, .c = c};
    ck_parallel(threads, forward[ck_copy()], &j);
}

// MARK: Weight gradient

/// Targets [*begin, *end) whose tap lies in the image.
CK_INLINE void valid(size_t source, size_t target, struct ck_first_conv c, size_t tap, size_t *begin, size_t *end) {
    *begin = tap < c.padding ? (c.padding - tap + c.stride - 1) / c.stride : 0;
    size_t last = source + c.padding > tap ? (source + c.padding - tap - 1) / c.stride + 1 : 0;
    *end = last < target ? last : target;
}

/// The sums of `images` images for one tap of one channel, `blocks` · 16 outputs from `dy` on, added to `totals` image by image: side by
/// side they hide the multiply-adds' latency.
CK_INLINE void image_sums(const float *x, const uint16_t *dy, double *totals, struct ck_first_conv c, size_t tap, size_t blocks,
                          size_t images) {
    size_t rows = ck_first_conv_output_side(c.height, c), columns = ck_first_conv_output_side(c.width, c), h0, h1, w0, w1;
    size_t r = tap / c.kernel, s = tap % c.kernel, image = c.height * c.width * c.channels, map = rows * columns * c.outputs;
    valid(c.height, rows, c, r, &h0, &h1);
    valid(c.width, columns, c, s, &w0, &w1);
    f32v sums[MOST_OUTPUTS / W] = {{0}};
    for (size_t h = h0; h < h1; h++)
        for (size_t w = w0; w < w1; w++) {
            const float *at = x + ((h * c.stride + r - c.padding) * c.width + w * c.stride + s - c.padding) * c.channels;
            const uint16_t *gradients = dy + (h * columns + w) * c.outputs;
            for (size_t n = 0; n < images; n++)
                for (size_t b = 0; b < blocks; b++) {
                    f32v gradient = from_bf16(LOAD(u16v, gradients + n * map + b * W));
                    sums[n * blocks + b] = fused((f32v){0} + at[n * image], gradient, sums[n * blocks + b]);
                }
        }
    for (size_t n = 0; n < images; n++)
        for (size_t b = 0; b < blocks; b++)
            for (size_t o = 0; o < W; o++) totals[b * W + o] += sums[n * blocks + b][o];
}

/// The workers share taps and channels, so that no sum is cut.
CK_WORKER(weight_gradient) {
    const struct job *j = context;
    const struct ck_first_conv c = j->c;
    size_t begin, end, taps = c.kernel * c.kernel, image = c.height * c.width * c.channels;
    size_t map = ck_first_conv_output_side(c.height, c) * ck_first_conv_output_side(c.width, c) * c.outputs;
    ck_share(taps * c.channels, worker, workers, &begin, &end);
    for (size_t unit = begin; unit < end; unit++)
        for (size_t first = 0; first < c.outputs; first += MOST_OUTPUTS) {
            double totals[MOST_OUTPUTS] = {0};
            size_t i = unit / taps, tap = unit % taps, outputs = c.outputs - first < MOST_OUTPUTS ? c.outputs - first : MOST_OUTPUTS;
            for (size_t n = 0, images; n < c.images; n += images) {
                const float *x = j->x + n * image + i;
                const uint16_t *dy = j->dy + n * map + first;
                images = outputs == W && c.images - n >= 4 ? 4 : 1;
                // Constants at the usual calls, so that the sums live in registers.
                if (images == 4) image_sums(x, dy, totals, c, tap, 1, 4);
                else if (outputs == MOST_OUTPUTS) image_sums(x, dy, totals, c, tap, MOST_OUTPUTS / W, 1);
                else image_sums(x, dy, totals, c, tap, outputs / W, 1);
            }
            for (size_t o = 0; o < outputs; o++) j->y[((first + o) * c.channels + i) * taps + tap] = (float)totals[o];
        }
}

void ck_first_conv_weight_gradient(const float *x, const uint16_t *dy, float *dw, struct ck_first_conv c, int threads) {
    struct job j = {.x = x, .dy = dy, .y = dw, .c = c};
    ck_parallel(threads, weight_gradient[ck_copy()], &j);
}
