// SPDX-License-Identifier: GPL-3.0-or-later
#include "bcgd_step.h"
#include <math.h>
#include "common/lanes.h"

// The bits of a step are the same on every processor: each multiply-add that is fused is written as one.
#pragma clang fp contract(off)

struct call {
    float *w, *m;
    const float *gradient;
    int8_t *integer_weights;
    float scale;
    size_t count;
    struct ck_bcgd step;
    double *sums;
    float *maxima;
    void (*block)(const struct call *, size_t begin, size_t end, double *sum, float *maximum);
};

CK_INLINE void update(const struct call *c, size_t i, int blends, int binary, double *sum, float *maximum) {
    const struct ck_bcgd s = c->step;
    float w = c->w[i];
    if (blends) w = __builtin_fmaf(1 - s.blending, w, s.blending * (c->scale * (float)c->integer_weights[i]));
    float m = __builtin_fmaf(s.momentum, c->m[i], __builtin_fmaf(s.decay, w, c->gradient[i]));
    w = __builtin_fmaf(-s.learning_rate, m, w);
    c->w[i] = w;
    c->m[i] = m;
    if (binary) c->integer_weights[i] = w >= 0 ? 1 : -1;
    float magnitude = fabsf(w);
    *sum += magnitude;
    *maximum = magnitude > *maximum ? magnitude : *maximum;
}

CK_INLINE void update_block(const struct call c, size_t begin, size_t end, int blends, int binary, double *sum, float *maximum) {
    double sums[LANES] = {0};
    float maxima[LANES] = {0};
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++) update(&c, i + j, blends, binary, &sums[j], &maxima[j]);
    }
    for (size_t j = 0; i + j < end; j++) update(&c, i + j, blends, binary, &sums[j], &maxima[j]);
    *sum = ordered_sum(sums, LANES);
    *maximum = 0;
    for (int j = 0; j < LANES; j++) *maximum = maxima[j] > *maximum ? maxima[j] : *maximum;
}

#define BLOCK(name, blends, binary)                                                                                      \
    CK_KERNEL(void, name, (const struct call *c, size_t begin, size_t end, double *sum, float *maximum),                  \
              (c, begin, end, sum, maximum)) {                                                                           \
        update_block(*c, begin, end, blends, binary, sum, maximum);                                                      \
    }
BLOCK(plain_block, 0, 0)
BLOCK(signed_block, 0, 1)
BLOCK(blended_block, 1, 0)
BLOCK(blended_signed_block, 1, 1)

static void run_blocks(void *context, int worker, int workers) {
    struct call *c = context;
    size_t b, begin, end, length = block_length(c->count);
    share_of_blocks(c->count, worker, workers, &b, &begin, &end);
    for (; begin < end; begin += length, b++)
        c->block(c, begin, end - begin < length ? end : begin + length, c->sums + b, c->maxima + b);
}

static struct ck_magnitudes step_slice(struct call c, int threads) {
    double sums[MAX_BLOCKS];
    float maxima[MAX_BLOCKS];
    c.sums = sums;
    c.maxima = maxima;
    ck_parallel(useful_threads(c.count, threads), run_blocks, &c);
    struct ck_magnitudes all = {ordered_sum(sums, block_count(c.count)), 0};
    for (size_t b = 0; b < block_count(c.count); b++) all.maximum = maxima[b] > all.maximum ? maxima[b] : all.maximum;
    return all;
}

struct slices {
    struct call first;
    const float *scales;
    size_t count;
    struct ck_magnitudes *magnitudes;
};

static void slices_worker(void *context, int worker, int workers) {
    const struct slices *s = context;
    size_t begin, end;
    ck_share(s->count, worker, workers, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        struct call c = s->first;
        size_t offset = i * c.count;
        c.w += offset;
        c.m += offset;
        c.gradient += offset;
        if (c.integer_weights) c.integer_weights += offset;
        if (s->scales) c.scale = s->scales[i];
        s->magnitudes[i] = step_slice(c, 1);
    }
}

void ck_bcgd_step(float *w, int8_t *integer_weights, const float *scales, const float *gradient, float *m, size_t count, size_t slices,
                  struct ck_bcgd step, int binary, struct ck_magnitudes *magnitudes, int threads) {
    struct call c = {
        .w = w, .m = m, .gradient = gradient, .integer_weights = integer_weights, .scale = integer_weights ? scales[0] : 0,
                .count = count / slices, .step = step};
    int blends = integer_weights && step.blending > 0;
    binary = integer_weights && binary;
    c.block = (blends ? (binary ? blended_signed_block : blended_block) : binary ? signed_block : plain_block)[ck_copy()];
    if (slices == 1) {
        magnitudes[0] = step_slice(c, threads);
        return;
    }
    struct slices all = {.first = c, .scales = integer_weights ? scales : NULL, .count = slices, .magnitudes = magnitudes};
    ck_parallel(useful_threads(count, threads), slices_worker, &all);
}
