// SPDX-License-Identifier: GPL-3.0-or-later
#include "adam_step.h"
#include <math.h>
#include "common/lanes.h"

// The bits of a step are the same on every processor: each multiply-add that is fused is written as one.
#pragma clang fp contract(off)

struct call {
    float *w, *m, *v;
    const float *gradient, *scales;
    const int8_t *integer_weights;
    size_t length, count;
    struct ck_adam step;
    enum ck_copy copy;
};

CK_KERNEL(void, update, (const struct call *call, size_t slice, size_t begin, size_t end), (call, slice, begin, end)) {
    const struct call c = *call;
    const struct ck_adam s = c.step;
    int blends = c.integer_weights && s.blending > 0;
    for (size_t i = begin; i < end; i++) {
        float w = c.w[i];
        if (blends) w = __builtin_fmaf(1 - s.blending, w, s.blending * (c.scales[slice] * (float)c.integer_weights[i]));
        float g = __builtin_fmaf(s.decay, w, c.gradient[i]);
        float m = __builtin_fmaf(s.beta1, c.m[i], (1 - s.beta1) * g);
        float v = __builtin_fmaf(s.beta2, c.v[i], (1 - s.beta2) * (g * g));
        c.w[i] = w - s.learning_rate * m / __builtin_fmaf(sqrtf(v), s.root_correction, s.epsilon);
        c.m[i] = m;
        c.v[i] = v;
    }
}

static void update_worker(void *context, int worker, int workers) {
    const struct call *c = context;
    size_t begin, end;
    ck_share(c->count, worker, workers, &begin, &end);
    for (size_t slice = begin / c->length; begin < end; slice++) {
        size_t stop = (slice + 1) * c->length;
        update[c->copy](c, slice, begin, stop < end ? stop : end);
        begin = stop;
    }
}

void ck_adam_step(float *w, const int8_t *integer_weights, const float *scales, const float *gradient, float *m, float *v, size_t count,
                  size_t slices, struct ck_adam step, int threads) {
    struct call c = {.w = w, .m = m, .v = v, .gradient = gradient, .scales = scales, .integer_weights = integer_weights,
                     .length = count / slices, .count = count, .step = step, .copy = ck_copy()};
    ck_parallel(useful_threads(count, threads), update_worker, &c);
}
