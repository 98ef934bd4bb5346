// SPDX-License-Identifier: GPL-3.0-or-later
#include "level_maps.h"
#include <string.h>
#include "bf16.h"
#include "dispatch.h"
#include "parallel.h"

struct job {
    const void *x;
    void *y;
    float unit;
    size_t count;
    struct ck_shortcut s;
    struct ck_pool p;
};

// MARK: Shortcut

struct place {
    size_t large, small;
};

// Where pixel `index` of the small map (counted over all images) and its source begin.
static struct place place(struct ck_shortcut s, size_t index) {
    size_t height = (s.height + s.stride - 1) / s.stride, width = (s.width + s.stride - 1) / s.stride;
    size_t n = index / (height * width), h = index / width % height, w = index % width;
    return (struct place){((n * s.height + h * s.stride) * s.width + w * s.stride) * s.channels, index * (s.channels + 2 * s.pad)};
}

static size_t small_pixels(struct ck_shortcut s) {
    return s.images * ((s.height + s.stride - 1) / s.stride) * ((s.width + s.stride - 1) / s.stride);
}

static void shortcut_forward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, outer = j->s.channels + 2 * j->s.pad;
    ck_share(small_pixels(j->s), worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) {
        struct place at = place(j->s, i);
        memset((uint8_t *)j->y + at.small, 0, outer);
        memcpy((uint8_t *)j->y + at.small + j->s.pad, (const uint8_t *)j->x + at.large, j->s.channels);
    }
}

void ck_level_shortcut_forward(const uint8_t *large, uint8_t *small, struct ck_shortcut shape, int threads) {
    struct job j = {.x = large, .y = small, .s = shape};
    ck_parallel(threads, shortcut_forward, &j);
}

CK_CLONES static void shortcut_backward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(small_pixels(j->s), worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) {
        struct place at = place(j->s, i);
        const uint16_t *x = (const uint16_t *)j->x + at.small + j->s.pad;
        uint16_t *y = (uint16_t *)j->y + at.large;
        for (size_t c = 0; c < j->s.channels; ++c) y[c] = bf16_from_float(bf16_to_float(y[c]) + bf16_to_float(x[c]));
    }
}

void ck_level_shortcut_backward(const uint16_t *small, uint16_t *large, struct ck_shortcut shape, int threads) {
    struct job j = {.x = small, .y = large, .s = shape};
    ck_parallel(threads, shortcut_backward, &j);
}

// MARK: Mean

CK_CLONES static void mean_forward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, pixels = j->p.height * j->p.width, channels = j->p.channels;
    ck_share(j->p.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n) {
        float *y = (float *)j->y + n * channels;
        memset(y, 0, channels * sizeof(float));
        // Sums of levels are integers below 2^24: exact in f32.
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c) y[c] += ((const uint8_t *)j->x)[(n * pixels + i) * channels + c];
        for (size_t c = 0; c < channels; ++c) y[c] *= j->unit / (float)pixels;
    }
}

void ck_level_mean_forward(const uint8_t *levels, float unit, float *mean, struct ck_pool shape, int threads) {
    struct job j = {.x = levels, .y = mean, .unit = unit, .p = shape};
    ck_parallel(threads, mean_forward, &j);
}

CK_CLONES static void mean_backward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, pixels = j->p.height * j->p.width, channels = j->p.channels;
    ck_share(j->p.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n)
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c)
                ((uint16_t *)j->y)[(n * pixels + i) * channels + c] = bf16_from_float(((const float *)j->x)[n * channels + c] / (float)pixels);
}

void ck_level_mean_backward(const float *dmean, uint16_t *gradient, struct ck_pool shape, int threads) {
    struct job j = {.x = dmean, .y = gradient, .p = shape};
    ck_parallel(threads, mean_backward, &j);
}

// MARK: Conversion

CK_CLONES static void to_f32(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) ((float *)j->y)[i] = bf16_to_float(((const uint16_t *)j->x)[i]);
}

void ck_bf16_to_f32(const uint16_t *x, float *y, size_t count, int threads) {
    struct job j = {.x = x, .y = y, .count = count};
    ck_parallel(threads, to_f32, &j);
}
