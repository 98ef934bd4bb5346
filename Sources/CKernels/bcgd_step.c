// SPDX-License-Identifier: GPL-3.0-or-later
#include "bcgd_step.h"
#include <math.h>
#include "lanes.h"

struct call {
    float *w, *m;
    const float *gradient;
    int8_t *codes;
    float scale;
    size_t count;
    struct ck_bcgd step;
    double *sums;
    float *maxima;
};

CK_INLINE void update(const struct call *c, size_t i, int blends, int binary, double *sum, float *maximum) {
    const struct ck_bcgd s = c->step;
    float w = c->w[i];
    if (blends) w = (1 - s.blending) * w + s.blending * (c->scale * (float)c->codes[i]);
    float m = s.momentum * c->m[i] + (c->gradient[i] + s.decay * w);
    w -= s.rate * m;
    c->w[i] = w;
    c->m[i] = m;
    if (binary) c->codes[i] = w >= 0 ? 1 : -1;
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
    CK_CLONES static void name(const struct call *c, size_t begin, size_t end, double *sum, float *maximum) {            \
        update_block(*c, begin, end, blends, binary, sum, maximum);                                                      \
    }
BLOCK(plain_block, 0, 0)
BLOCK(signed_block, 0, 1)
BLOCK(blended_block, 1, 0)
BLOCK(blended_signed_block, 1, 1)

CK_INLINE void run(struct call *c, int worker, int workers, void (*block)(const struct call *, size_t, size_t, double *, float *)) {
    size_t b, begin, end, length = block_length(c->count);
    share_of_blocks(c->count, worker, workers, &b, &begin, &end);
    for (; begin < end; begin += length, b++)
        block(c, begin, end - begin < length ? end : begin + length, c->sums + b, c->maxima + b);
}
static void plain(void *c, int worker, int workers) { run(c, worker, workers, plain_block); }
static void signs(void *c, int worker, int workers) { run(c, worker, workers, signed_block); }
static void blended(void *c, int worker, int workers) { run(c, worker, workers, blended_block); }
static void blended_signs(void *c, int worker, int workers) { run(c, worker, workers, blended_signed_block); }

struct ck_magnitudes ck_bcgd_step(float *w, int8_t *codes, float scale, const float *gradient, float *m, size_t count,
                                  struct ck_bcgd step, int binary, int threads) {
    double sums[MAX_BLOCKS];
    float maxima[MAX_BLOCKS];
    struct call c = {
        .w = w, .m = m, .gradient = gradient, .codes = codes, .scale = scale, .count = count, .step = step, .sums = sums,
        .maxima = maxima};
    int blends = codes && step.blending > 0;
    binary = codes && binary;
    ck_parallel(useful_threads(count, threads), blends ? (binary ? blended_signs : blended) : binary ? signs : plain, &c);
    struct ck_magnitudes all = {ordered_sum(sums, block_count(count)), 0};
    for (size_t b = 0; b < block_count(count); b++) all.maximum = maxima[b] > all.maximum ? maxima[b] : all.maximum;
    return all;
}
