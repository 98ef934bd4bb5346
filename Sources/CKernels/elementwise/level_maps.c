// SPDX-License-Identifier: GPL-3.0-or-later
#include "level_maps.h"
#include <string.h>
#include "common/bf16.h"
#include "common/kernel.h"
#include "parallel.h"

struct job {
    const void *x;
    void *y;
    enum ck_number type;
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
    size_t begin, end, size = j->type == CK_U8 ? 1 : j->type == CK_BF16 ? 2 : 4;
    ck_share(small_pixels(j->s), worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) {
        struct place at = place(j->s, i);
        char *small = (char *)j->y + at.small * size;
        memset(small, 0, (j->s.channels + 2 * j->s.pad) * size);
        memcpy(small + j->s.pad * size, (const char *)j->x + at.large * size, j->s.channels * size);
    }
}

void ck_map_shortcut_forward(const void *large, void *small, enum ck_number type, struct ck_shortcut shape, int threads) {
    struct job j = {.x = large, .y = small, .type = type, .s = shape};
    ck_parallel(threads, shortcut_forward, &j);
}

CK_WORKER(shortcut_backward) {
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

void ck_map_shortcut_backward(const uint16_t *small, uint16_t *large, struct ck_shortcut shape, int threads) {
    struct job j = {.x = small, .y = large, .s = shape};
    ck_parallel(threads, shortcut_backward[ck_copy()], &j);
}

// MARK: Mean

CK_INLINE void mean_of_bf16(const struct job *j, size_t begin, size_t end) {
    size_t pixels = j->p.height * j->p.width, channels = j->p.channels;
    for (size_t n = begin; n < end; ++n) {
        float *y = (float *)j->y + n * channels;
        memset(y, 0, channels * sizeof(float));
        for (size_t i = n * pixels; i < (n + 1) * pixels; ++i)
            for (size_t c = 0; c < channels; ++c) y[c] += bf16_to_float(((const uint16_t *)j->x)[i * channels + c]);
        for (size_t c = 0; c < channels; ++c) y[c] *= j->unit / (float)pixels;
    }
}

// Exact sums: 2^24 pixels of 255 fit, where an f32 would round from 2^24 on.
CK_INLINE void mean_of_levels(const struct job *j, size_t begin, size_t end) {
    enum { BLOCK = 16 };
    size_t pixels = j->p.height * j->p.width, channels = j->p.channels;
    for (size_t n = begin; n < end; ++n)
        for (size_t first = 0; first < channels; first += BLOCK) {
            size_t count = channels - first < BLOCK ? channels - first : BLOCK;
            const uint8_t *x = (const uint8_t *)j->x + n * pixels * channels + first;
            uint32_t sums[BLOCK] = {0};
            for (size_t i = 0; i < pixels; ++i)
                for (size_t c = 0; c < count; ++c) sums[c] += x[i * channels + c];
            for (size_t c = 0; c < count; ++c) ((float *)j->y)[n * channels + first + c] = (float)sums[c] * (j->unit / (float)pixels);
        }
}

CK_WORKER(mean_forward) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->p.images, worker, workers, &begin, &end);
    if (j->type == CK_U8) mean_of_levels(j, begin, end);
    else mean_of_bf16(j, begin, end);
}

void ck_map_mean_forward(const void *x, enum ck_number type, float unit, float *mean, struct ck_pool shape, int threads) {
    struct job j = {.x = x, .y = mean, .type = type, .unit = unit, .p = shape};
    ck_parallel(threads, mean_forward[ck_copy()], &j);
}

CK_WORKER(mean_backward) {
    const struct job *j = context;
    size_t begin, end, pixels = j->p.height * j->p.width, channels = j->p.channels;
    ck_share(j->p.images, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; ++n)
        for (size_t i = 0; i < pixels; ++i)
            for (size_t c = 0; c < channels; ++c)
                ((uint16_t *)j->y)[(n * pixels + i) * channels + c] =
                    bf16_from_float(((const float *)j->x)[n * channels + c] / (float)pixels);
}

void ck_map_mean_backward(const float *dmean, uint16_t *gradient, struct ck_pool shape, int threads) {
    struct job j = {.x = dmean, .y = gradient, .p = shape};
    ck_parallel(threads, mean_backward[ck_copy()], &j);
}

// MARK: Sum and conversion

CK_WORKER(add) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    const uint16_t *restrict x = j->x;
    uint16_t *restrict y = j->y;
    for (size_t i = begin; i < end; ++i) y[i] = bf16_from_float(bf16_to_float(y[i]) + bf16_to_float(x[i]));
}

void ck_bf16_add(const uint16_t *x, uint16_t *y, size_t count, int threads) {
    struct job j = {.x = x, .y = y, .count = count};
    ck_parallel(threads, add[ck_copy()], &j);
}

CK_WORKER(to_f32) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) ((float *)j->y)[i] = bf16_to_float(((const uint16_t *)j->x)[i]);
}

CK_WORKER(to_bf16) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    for (size_t i = begin; i < end; ++i) ((uint16_t *)j->y)[i] = bf16_from_float(((const float *)j->x)[i]);
}

void ck_f32_to_bf16(const float *x, uint16_t *y, size_t count, int threads) {
    struct job j = {.x = x, .y = y, .count = count};
    ck_parallel(threads, to_bf16[ck_copy()], &j);
}

void ck_bf16_to_f32(const uint16_t *x, float *y, size_t count, int threads) {
    struct job j = {.x = x, .y = y, .count = count};
    ck_parallel(threads, to_f32[ck_copy()], &j);
}
