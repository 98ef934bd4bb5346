// SPDX-License-Identifier: GPL-3.0-or-later
#include "pooling.h"
#include "common/kernel.h"
#include "parallel.h"
#include <string.h>

struct job {
    const float *x;
    float *y;
    uint8_t *argmax;
    struct ck_pool s;
    enum ck_copy copy;
};

// MARK: Maximum

CK_KERNEL(void, take_maximum, (const float *x, float *y, uint8_t *argmax, size_t channels, uint8_t place, int first),
          (x, y, argmax, channels, place, first)) {
    if (first)
        for (size_t c = 0; c < channels; ++c) {
            y[c] = x[c];
            argmax[c] = place;
        }
    else
        for (size_t c = 0; c < channels; ++c) {
            int better = x[c] > y[c];
            y[c] = better ? x[c] : y[c];
            argmax[c] = better ? place : argmax[c];
        }
}

CK_KERNEL(void, give_to_winner, (const float *dy, const uint8_t *argmax, float *dx, size_t channels, uint8_t place),
          (dy, argmax, dx, channels, place)) {
    for (size_t c = 0; c < channels; ++c) dx[c] += argmax[c] == place ? dy[c] : 0;
}

// Calls for every (output pixel, tap inside the image) of one image; going forward `big` is read, else `small` is.
static void max_pool_image(const struct job *j, size_t n, int forward) {
    const struct ck_pool s = j->s;
    size_t height = ck_pool_output_side(s.height, s), width = ck_pool_output_side(s.width, s);
    for (size_t h = 0; h < height; ++h)
        for (size_t w = 0; w < width; ++w) {
            size_t out = ((n * height + h) * width + w) * s.channels;
            int first = 1;
            for (size_t tap = 0; tap < s.window * s.window; ++tap) {
                size_t row = h * s.stride + tap / s.window - s.padding, col = w * s.stride + tap % s.window - s.padding;
                if (row >= s.height || col >= s.width) continue;  // below 0 wraps to a huge number
                size_t in = ((n * s.height + row) * s.width + col) * s.channels;
                if (forward)
                    take_maximum[j->copy](j->x + in, j->y + out, j->argmax + out, s.channels, (uint8_t)tap, first);
                else
                    give_to_winner[j->copy](j->x + out, j->argmax + out, j->y + in, s.channels, (uint8_t)tap);
                first = 0;
            }
        }
}

static void max_pool_forward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->s.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n) max_pool_image(j, n, 1);
}

void ck_max_pool_forward(const float *x, float *y, uint8_t *argmax, struct ck_pool shape, int threads) {
    struct job j = {x, y, argmax, shape, ck_copy()};
    ck_parallel(threads, max_pool_forward, &j);
}

static void max_pool_backward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, image = j->s.height * j->s.width * j->s.channels;
    ck_share(j->s.images, worker, workers, &begin, &end);
    memset(j->y + begin * image, 0, (end - begin) * image * sizeof(float));
    for (size_t n = begin; n < end; ++n) max_pool_image(j, n, 0);
}

void ck_max_pool_backward(const float *dy, const uint8_t *argmax, float *dx, struct ck_pool shape, int threads) {
    struct job j = {dy, dx, (uint8_t *)argmax, shape, ck_copy()};
    ck_parallel(threads, max_pool_backward, &j);
}

// MARK: Mean

CK_WORKER(mean_pool_forward) {
    const struct job *j = context;
    size_t begin, end, pixels = j->s.height * j->s.width, channels = j->s.channels;
    ck_share(j->s.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n) {
        float *y = j->y + n * channels;
        memset(y, 0, channels * sizeof(float));
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c) y[c] += j->x[(n * pixels + i) * channels + c];
        for (size_t c = 0; c < channels; ++c) y[c] /= (float)pixels;
    }
}

void ck_mean_pool_forward(const float *x, float *y, struct ck_pool shape, int threads) {
    struct job j = {x, y, NULL, shape, ck_copy()};
    ck_parallel(threads, mean_pool_forward[ck_copy()], &j);
}

CK_WORKER(mean_pool_backward) {
    const struct job *j = context;
    size_t begin, end, pixels = j->s.height * j->s.width, channels = j->s.channels;
    ck_share(j->s.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n)
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c)
                j->y[(n * pixels + i) * channels + c] = j->x[n * channels + c] / (float)pixels;
}

void ck_mean_pool_backward(const float *dy, float *dx, struct ck_pool shape, int threads) {
    struct job j = {dy, dx, NULL, shape, ck_copy()};
    ck_parallel(threads, mean_pool_backward[ck_copy()], &j);
}
