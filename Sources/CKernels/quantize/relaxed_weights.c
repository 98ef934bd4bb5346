// SPDX-License-Identifier: GPL-3.0-or-later
#include "relaxed_weights.h"
#include "common/lanes.h"

// The bits are the same on every processor: the multiply-add that is fused is written as one.
#pragma clang fp contract(off)

struct call {
    const float *w, *scales;
    const int8_t *integer_weights;
    size_t length, slices;
    float share, *out;
    enum ck_copy copy;
};

CK_KERNEL(void, relax, (const struct call *call, size_t slice, size_t begin, size_t end), (call, slice, begin, end)) {
    const struct call c = *call;
    float scale = c.scales[slice], rest = 1 - c.share;
    for (size_t i = begin; i < end; i++)
        c.out[i] = __builtin_fmaf(c.share, scale * (float)c.integer_weights[i], rest * c.w[i]);
}

static void relax_worker(void *context, int worker, int workers) {
    const struct call *c = context;
    size_t begin, end;
    ck_share(c->length * c->slices, worker, workers, &begin, &end);
    for (size_t slice = begin / c->length; begin < end; slice++) {
        size_t stop = (slice + 1) * c->length;
        relax[c->copy](c, slice, begin, stop < end ? stop : end);
        begin = stop;
    }
}

void ck_relaxed_weights(const float *w, const int8_t *integer_weights, const float *scales, size_t count, size_t slices, float share,
                        float *out, int threads) {
    struct call c = {.w = w, .scales = scales, .integer_weights = integer_weights, .length = count / slices, .slices = slices,
                     .share = share, .out = out, .copy = ck_copy()};
    ck_parallel(useful_threads(count, threads), relax_worker, &c);
}
