// SPDX-License-Identifier: GPL-3.0-or-later
#include "quantized_relu.h"
#include <math.h>
#include "common/lanes.h"

struct call {
    const float *x, *output_gradient;
    float *out;
    uint8_t *levels;
    double *blocks;
    size_t count;
    float step_size, qmax;
    struct ck_coarse_derivatives derivatives;
    enum ck_copy copy;
};

// 1 … qmax: x > 0 reaches level 1 even where x / step size underflows to 0. Both comparisons let NaN through.
CK_INLINE float positive_level(float quotient, float qmax) {
    float k = ceilf(quotient);
    k = k < 1 ? 1 : k;
    return k > qmax ? qmax : k;
}

CK_INLINE float level(float x, float step_size, float qmax) {
    float k = positive_level(x / step_size, qmax);
    return x <= 0 ? 0 : k;
}

CK_KERNEL(void, forward, (const float *x, float *output, size_t count, float step_size, float qmax),
          (x, output, count, step_size, qmax)) {
    for (size_t i = 0; i < count; i++) output[i] = step_size * level(x[i], step_size, qmax);
}

CK_KERNEL(void, write_levels, (const float *x, uint8_t *levels, size_t count, float step_size, float qmax),
          (x, levels, count, step_size, qmax)) {
    for (size_t i = 0; i < count; i++) {
        float k = level(x[i], step_size, qmax);
        levels[i] = (uint8_t)(int32_t)(k > 0 ? k : 0);  // NaN has no integer
    }
}

// Writes one x-gradient and returns the summand of the step size gradient: a level of 8 bits times a float of 24 is
// exact in double, whether or not it is fused into the sum.
CK_INLINE double backward_element(float x, float gradient, float *x_gradient, float step_size, float qmax,
                                  struct ck_coarse_derivatives d) {
    float quotient = x / step_size;
    int positive = x > 0, saturated = positive & (quotient > qmax);
    float slope = saturated ? qmax : d.exact ? positive_level(quotient, qmax) : d.inside;
    slope = positive ? slope : 0;
    *x_gradient = ((positive | !d.relu) & !(saturated & d.clip)) ? gradient : 0;
    return (double)slope * (double)(slope != 0 ? gradient : 0);
}

CK_KERNEL(double, backward, (const float *x, const float *g, float *x_gradient, size_t count, float step_size, float qmax,
                            struct ck_coarse_derivatives d),
          (x, g, x_gradient, count, step_size, qmax, d)) {
    double sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++)
            sums[j] += backward_element(x[i + j], g[i + j], &x_gradient[i + j], step_size, qmax, d);
    }
    for (size_t j = 0; i + j < count; j++)
        sums[j] += backward_element(x[i + j], g[i + j], &x_gradient[i + j], step_size, qmax, d);
    return ordered_sum(sums, LANES);
}

static void forward_worker(void *context, int worker, int workers) {
    struct call *c = context;
    size_t begin, end;
    ck_share(c->count, worker, workers, &begin, &end);
    if (c->levels)
        write_levels[c->copy](c->x + begin, c->levels + begin, end - begin, c->step_size, c->qmax);
    else
        forward[c->copy](c->x + begin, c->out + begin, end - begin, c->step_size, c->qmax);
}

static void backward_worker(void *context, int worker, int workers) {
    struct call *c = context;
    size_t block, begin, end, length = block_length(c->count);
    share_of_blocks(c->count, worker, workers, &block, &begin, &end);
    for (; begin < end; begin += length, block++) {
        size_t n = end - begin < length ? end - begin : length;
        c->blocks[block] = backward[c->copy](c->x + begin, c->output_gradient + begin, c->out + begin, n, c->step_size, c->qmax,
                                             c->derivatives);
    }
}

void ck_quantized_relu(const float *x, float *output, size_t count, float step_size, float qmax, int threads) {
    struct call call = {.copy = ck_copy(), .x = x, .out = output, .count = count, .step_size = step_size, .qmax = qmax};
    ck_parallel(useful_threads(count, threads), forward_worker, &call);
}

void ck_quantized_relu_levels(const float *x, uint8_t *levels, size_t count, float step_size, float qmax, int threads) {
    struct call call = {.copy = ck_copy(), .x = x, .levels = levels, .count = count, .step_size = step_size, .qmax = qmax};
    ck_parallel(useful_threads(count, threads), forward_worker, &call);
}

double ck_quantized_relu_backward(const float *x, const float *output_gradient, float *x_gradient, size_t count,
                                  float step_size, float qmax, struct ck_coarse_derivatives derivatives, int threads) {
    double blocks[MAX_BLOCKS];
    struct call call = {.copy = ck_copy(), .x = x, .output_gradient = output_gradient, .out = x_gradient, .blocks = blocks,
                        .count = count, .step_size = step_size, .qmax = qmax, .derivatives = derivatives};
    ck_parallel(useful_threads(count, threads), backward_worker, &call);
    return ordered_sum(blocks, block_count(count));
}
