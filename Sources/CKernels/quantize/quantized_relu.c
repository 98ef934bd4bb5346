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
    float resolution, top;
    struct ck_coarse_derivatives derivatives;
    enum ck_copy copy;
};

// 1 … top: x > 0 reaches level 1 even where x / resolution underflows to 0. Both comparisons let NaN through.
CK_INLINE float positive_level(float quotient, float top) {
    float k = ceilf(quotient);
    k = k < 1 ? 1 : k;
    return k > top ? top : k;
}

CK_INLINE float level(float x, float resolution, float top) {
    float k = positive_level(x / resolution, top);
    return x <= 0 ? 0 : k;
}

CK_KERNEL(void, forward, (const float *x, float *output, size_t count, float resolution, float top),
          (x, output, count, resolution, top)) {
    for (size_t i = 0; i < count; i++) output[i] = resolution * level(x[i], resolution, top);
}

CK_KERNEL(void, write_levels, (const float *x, uint8_t *levels, size_t count, float resolution, float top),
          (x, levels, count, resolution, top)) {
    for (size_t i = 0; i < count; i++) {
        float k = level(x[i], resolution, top);
        levels[i] = (uint8_t)(int32_t)(k > 0 ? k : 0);  // NaN has no integer
    }
}

// Writes one x-gradient and returns the summand of the resolution gradient: a level of 8 bits times a float of 24 is
// exact in double, whether or not it is fused into the sum.
CK_INLINE double backward_element(float x, float gradient, float *x_gradient, float resolution, float top,
                                  struct ck_coarse_derivatives d) {
    float quotient = x / resolution;
    int positive = x > 0, saturated = positive & (quotient > top);
    float slope = saturated ? top : d.exact ? positive_level(quotient, top) : d.inside;
    slope = positive ? slope : 0;
    *x_gradient = ((positive | !d.relu) & !(saturated & d.clip)) ? gradient : 0;
    return (double)slope * (double)(slope != 0 ? gradient : 0);
}

CK_KERNEL(double, backward, (const float *x, const float *g, float *x_gradient, size_t count, float resolution, float top,
                            struct ck_coarse_derivatives d),
          (x, g, x_gradient, count, resolution, top, d)) {
    double sums[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++)
            sums[j] += backward_element(x[i + j], g[i + j], &x_gradient[i + j], resolution, top, d);
    }
    for (size_t j = 0; i + j < count; j++)
        sums[j] += backward_element(x[i + j], g[i + j], &x_gradient[i + j], resolution, top, d);
    return ordered_sum(sums, LANES);
}

static void forward_worker(void *context, int worker, int workers) {
    struct call *c = context;
    size_t begin, end;
    ck_share(c->count, worker, workers, &begin, &end);
    if (c->levels)
        write_levels[c->copy](c->x + begin, c->levels + begin, end - begin, c->resolution, c->top);
    else
        forward[c->copy](c->x + begin, c->out + begin, end - begin, c->resolution, c->top);
}

static void backward_worker(void *context, int worker, int workers) {
    struct call *c = context;
    size_t block, begin, end, length = block_length(c->count);
    share_of_blocks(c->count, worker, workers, &block, &begin, &end);
    for (; begin < end; begin += length, block++) {
        size_t n = end - begin < length ? end - begin : length;
        c->blocks[block] = backward[c->copy](c->x + begin, c->output_gradient + begin, c->out + begin, n, c->resolution, c->top,
                                             c->derivatives);
    }
}

void ck_quantized_relu(const float *x, float *output, size_t count, float resolution, float top, int threads) {
    struct call call = {.copy = ck_copy(), .x = x, .out = output, .count = count, .resolution = resolution, .top = top};
    ck_parallel(useful_threads(count, threads), forward_worker, &call);
}

void ck_quantized_relu_levels(const float *x, uint8_t *levels, size_t count, float resolution, float top, int threads) {
    struct call call = {.copy = ck_copy(), .x = x, .levels = levels, .count = count, .resolution = resolution, .top = top};
    ck_parallel(useful_threads(count, threads), forward_worker, &call);
}

double ck_quantized_relu_backward(const float *x, const float *output_gradient, float *x_gradient, size_t count,
                                  float resolution, float top, struct ck_coarse_derivatives derivatives, int threads) {
    double blocks[MAX_BLOCKS];
    struct call call = {.copy = ck_copy(), .x = x, .output_gradient = output_gradient, .out = x_gradient, .blocks = blocks,
                        .count = count, .resolution = resolution, .top = top, .derivatives = derivatives};
    ck_parallel(useful_threads(count, threads), backward_worker, &call);
    return ordered_sum(blocks, block_count(count));
}
