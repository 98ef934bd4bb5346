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

// Pixels of an image that a window covers: their offsets in the map and their places in the window, `count` of them.
struct window {
    size_t count, offset[CK_POOL_WINDOW * CK_POOL_WINDOW];
    uint8_t place[CK_POOL_WINDOW * CK_POOL_WINDOW];
};

static void window_at(struct window *window, size_t h, size_t w, struct ck_pool s) {
    window->count = 0;
    for (size_t tap = 0; tap < s.window * s.window; ++tap) {
        size_t row = h * s.stride + tap / s.window - s.padding, col = w * s.stride + tap % s.window - s.padding;
        if (row >= s.height || col >= s.width) continue;  // below 0 wraps to a huge number
        window->offset[window->count] = (row * s.width + col) * s.channels;
        window->place[window->count++] = (uint8_t)tap;
    }
}

// Compilers keep no loop over numbers and bytes in vectors by themselves, and maxima are branches that no processor can predict.
typedef float numbers __attribute__((vector_size(32)));
typedef int32_t integers __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(8)));
enum { CHANNELS = 8 };

// A NaN is the maximum, the last one of several, so that divergence shows.
CK_INLINE void channels_maximum(const float *x, const struct window *window, float *y, uint8_t *argmax) {
    integers best, place = (integers){0} + window->place[0];
    memcpy(&best, x + window->offset[0], sizeof best);
    for (size_t i = 1; i < window->count; ++i) {
        integers value;
        memcpy(&value, x + window->offset[i], sizeof value);
        integers better = ((numbers)value > (numbers)best) | ((numbers)value != (numbers)value);
        best = (value & better) | (best & ~better);
        place = (((integers){0} + window->place[i]) & better) | (place & ~better);
    }
    bytes narrow = __builtin_convertvector(place, bytes);
    memcpy(y, &best, sizeof best);
    memcpy(argmax, &narrow, sizeof narrow);
}

CK_KERNEL(void, pixel_maximum, (const float *x, const struct window *window, float *y, uint8_t *argmax, size_t channels),
          (x, window, y, argmax, channels)) {
    if (channels < CHANNELS) {
        for (size_t c = 0; c < channels; ++c) {
            size_t best = 0;
            for (size_t i = 1; i < window->count; ++i) {
                float value = x[window->offset[i] + c];
                if (value > x[window->offset[best] + c] || value != value) best = i;
            }
            y[c] = x[window->offset[best] + c];
            argmax[c] = window->place[best];
        }
        return;
    }
    for (size_t c = 0; c < channels; c += CHANNELS) {
        size_t begin = c + CHANNELS <= channels ? c : channels - CHANNELS;  // the last ones twice, to the same result
        channels_maximum(x + begin, window, y + begin, argmax + begin);
    }
}

CK_KERNEL(void, give_to_winners, (const float *dy, const uint8_t *argmax, const struct window *window, float *restrict dx, size_t channels),
          (dy, argmax, window, dx, channels)) {
    for (size_t i = 0; i < window->count; ++i) {
        float *to = dx + window->offset[i];
        uint8_t place = window->place[i];
        for (size_t c = 0; c < channels; ++c) to[c] += argmax[c] == place ? dy[c] : 0;
    }
}

// For every output pixel of one image; going forward `x` is the map, else `y` is.
static void max_pool_image(const struct job *j, size_t n, int forward) {
    const struct ck_pool s = j->s;
    size_t height = ck_pool_output_side(s.height, s), width = ck_pool_output_side(s.width, s), image = s.height * s.width * s.channels;
    struct window window;
    for (size_t h = 0; h < height; ++h)
        for (size_t w = 0; w < width; ++w) {
            size_t out = ((n * height + h) * width + w) * s.channels;
            window_at(&window, h, w, s);
            if (forward)
                pixel_maximum[j->copy](j->x + n * image, &window, j->y + out, j->argmax + out, s.channels);
            else
                give_to_winners[j->copy](j->x + out, j->argmax + out, &window, j->y + n * image, s.channels);
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
