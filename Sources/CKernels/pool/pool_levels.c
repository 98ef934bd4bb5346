// SPDX-License-Identifier: GPL-3.0-or-later
#include "level_pooling.h"
#include <string.h>
#include "common/bf16.h"
#include "common/kernel.h"
#include "parallel.h"

struct job {
    const void *x;
    void *y;
    uint8_t *argmax;
    struct ck_pool p;
    size_t bytes;  // of a number
    enum ck_copy copy;
};

/// The places [*begin, *end) of window `out` that lie on the map; the first is at position out·stride − padding.
static void places(size_t side, size_t out, struct ck_pool p, size_t *begin, size_t *end) {
    size_t origin = out * p.stride;
    *begin = origin < p.padding ? p.padding - origin : 0;
    *end = side + p.padding - origin < p.window ? side + p.padding - origin : p.window;
}

// MARK: Forward

/// One place of the window against the best so far; levels and bf16 bits that are not negative order as integers.
#define OFFER(name, type)                                                                                          \
    CK_KERNEL(void, name, (const type *restrict x, type *restrict y, uint8_t *restrict argmax, uint8_t place,      \
                           int first, size_t channels), (x, y, argmax, place, first, channels)) {                  \
        if (first)                                                                                                 \
            for (size_t c = 0; c < channels; ++c) y[c] = x[c], argmax[c] = place;                                  \
        else                                                                                                       \
            for (size_t c = 0; c < channels; ++c) {                                                                \
                argmax[c] = x[c] > y[c] ? place : argmax[c];                                                       \
                y[c] = x[c] > y[c] ? x[c] : y[c];                                                                  \
            }                                                                                                      \
    }
OFFER(offer_levels, uint8_t)
OFFER(offer_bf16, uint16_t)

static void forward(void *context, int worker, int workers) {
    const struct job *j = context;
    const struct ck_pool p = j->p;
    size_t begin, end, height = ck_pool_output_side(p.height, p), width = ck_pool_output_side(p.width, p);
    ck_share(p.images * height, worker, workers, &begin, &end);
    for (size_t row = begin; row < end; ++row) {
        size_t n = row / height, r0, r1, s0, s1;
        places(p.height, row % height, p, &r0, &r1);
        for (size_t w = 0; w < width; ++w) {
            size_t out = (row * width + w) * p.channels;
            places(p.width, w, p, &s0, &s1);
            for (size_t r = r0; r < r1; ++r)
                for (size_t s = s0; s < s1; ++s) {
                    size_t h = row % height * p.stride + r - p.padding;
                    size_t in = ((n * p.height + h) * p.width + w * p.stride + s - p.padding) * p.channels;
                    uint8_t place = (uint8_t)(r * p.window + s);
                    int first = r == r0 && s == s0;
                    if (j->bytes == 1)
                        offer_levels[j->copy]((const uint8_t *)j->x + in, (uint8_t *)j->y + out, j->argmax + out, place, first, p.channels);
                    else
                        offer_bf16[j->copy]((const uint16_t *)j->x + in, (uint16_t *)j->y + out, j->argmax + out, place, first, p.channels);
                }
        }
    }
}

void ck_level_max_forward(const uint8_t *x, uint8_t *y, uint8_t *argmax, struct ck_pool shape, int threads) {
    struct job j = {.x = x, .y = y, .argmax = argmax, .p = shape, .bytes = 1, .copy = ck_copy()};
    ck_parallel(threads, forward, &j);
}

void ck_bf16_max_forward(const uint16_t *x, uint16_t *y, uint8_t *argmax, struct ck_pool shape, int threads) {
    struct job j = {.x = x, .y = y, .argmax = argmax, .p = shape, .bytes = 2, .copy = ck_copy()};
    ck_parallel(threads, forward, &j);
}

// MARK: Backward

CK_KERNEL(void, take, (const uint16_t *restrict dy, const uint8_t *restrict argmax, uint8_t place, uint16_t *restrict dx,
                       size_t channels),
          (dy, argmax, place, dx, channels)) {
    for (size_t c = 0; c < channels; ++c) dx[c] = argmax[c] == place ? dy[c] : 0;
}

CK_KERNEL(void, add, (const uint16_t *restrict dy, const uint8_t *restrict argmax, uint8_t place, uint16_t *restrict dx,
                       size_t channels),
          (dy, argmax, place, dx, channels)) {
    for (size_t c = 0; c < channels; ++c)
        dx[c] = argmax[c] == place ? bf16_from_float(bf16_to_float(dx[c]) + bf16_to_float(dy[c])) : dx[c];
}

/// The first window that reaches `position`, which counts from the padding's edge, and one past the last.
static void windows(size_t position, size_t outputs, struct ck_pool p, size_t *begin, size_t *end) {
    *begin = position < p.window ? 0 : (position - p.window) / p.stride + 1;
    *end = position / p.stride + 1 < outputs ? position / p.stride + 1 : outputs;
}

static void backward(void *context, int worker, int workers) {
    const struct job *j = context;
    const struct ck_pool p = j->p;
    size_t begin, end, height = ck_pool_output_side(p.height, p), width = ck_pool_output_side(p.width, p);
    ck_share(p.images * p.height, worker, workers, &begin, &end);
    for (size_t row = begin; row < end; ++row) {
        size_t n = row / p.height, y = row % p.height + p.padding, h0, h1, w0, w1;
        windows(y, height, p, &h0, &h1);
        for (size_t column = 0; column < p.width; ++column) {
            uint16_t *dx = (uint16_t *)j->y + (row * p.width + column) * p.channels;
            windows(column + p.padding, width, p, &w0, &w1);
            if (h0 >= h1 || w0 >= w1) memset(dx, 0, p.channels * sizeof *dx);
            for (size_t h = h0; h < h1; ++h)
                for (size_t w = w0; w < w1; ++w) {
                    size_t from = ((n * height + h) * width + w) * p.channels;
                    uint8_t place = (uint8_t)((y - h * p.stride) * p.window + column + p.padding - w * p.stride);
                    (h == h0 && w == w0 ? take : add)[j->copy]((const uint16_t *)j->x + from, j->argmax + from, place, dx, p.channels);
                }
        }
    }
}

void ck_bf16_max_backward(const uint16_t *dy, const uint8_t *argmax, uint16_t *dx, struct ck_pool shape, int threads) {
    struct job j = {.x = dy, .y = dx, .argmax = (uint8_t *)argmax, .p = shape, .copy = ck_copy()};
    ck_parallel(threads, backward, &j);
}
