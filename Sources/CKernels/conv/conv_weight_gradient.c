// SPDX-License-Identifier: GPL-3.0-or-later
// The weight gradient: a product over all positions of all images, for each tap and each block of channels.
//
// Images are taken in pairs, a chunk of pairs at a time. A chunk is packed in panels of a few channels, whose values of
// two images lie side by side in bf16; one tap's sums for a block of channels then run over a whole chunk in registers,
// over valid positions only, and are added to the gradient. Sums of s16 products are exact in 32 bits, then in f64, whatever
// their order. Small weights: each worker takes its own pairs and sums
// into its own gradient, and these are added in the workers' order. Large weights: the workers share each
// chunk and each takes its own channels.
#include <string.h>
#include "conv_blocks.h"
#include "parallel.h"

enum { PANEL_BYTES = 160 << 10, SPLIT_PAIRS_UP_TO = 640 << 10, MAX_TAPS = 9 };

struct plan {
    struct ck_conv shape;
    size_t pairs, chunk;                // of images; the chunk's capacity in pairs
    size_t input_block, output_block;   // channels of a block
    size_t x_words, dy_words, weights;  // u32 words of the packed chunk; weights in the gradient
    int exact;                          // of s16
    int split_pairs;                    // else split channels
};

static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }
static size_t output_pixels(struct ck_conv c) {
    return ck_conv_output_side(c.height, c.stride) * ck_conv_output_side(c.width, c.stride);
}

static struct plan plan_of(struct ck_conv c, int exact) {
    int wide = c.output_channels % WIDE_OUTPUTS == 0;
    struct plan p = {.shape = c, .exact = exact, .pairs = (c.images + 1) / 2,
                     .input_block = wide ? WIDE_INPUTS : NARROW_INPUTS, .output_block = wide ? WIDE_OUTPUTS : NARROW_OUTPUTS};
    size_t pixels = c.height * c.width;
    size_t panel = (pixels * p.input_block + output_pixels(c) * p.output_block) * sizeof(uint32_t);
    p.chunk = minimum(p.pairs, PANEL_BYTES / panel + 1);
    p.x_words = p.chunk * pixels * c.input_channels;
    p.dy_words = p.chunk * output_pixels(c) * c.output_channels;
    p.weights = c.output_channels * c.input_channels * c.kernel * c.kernel;
    p.split_pairs = p.weights * sizeof(float) <= SPLIT_PAIRS_UP_TO;
    return p;
}

size_t ck_conv_weight_scratch_bytes(struct ck_conv c, int threads) {
    struct plan p = plan_of(c, 0);
    size_t buffers = p.split_pairs ? (size_t)threads : 1;
    return (buffers * (p.x_words + p.dy_words) + (buffers - 1) * p.weights) * sizeof(float);
}

// First the exact sums, then the chunks.
size_t ck_conv_weight_scratch_bytes_s16(struct ck_conv c, int threads) {
    struct plan p = plan_of(c, 1);
    size_t buffers = p.split_pairs ? (size_t)threads : 1;
    return buffers * ((p.x_words + p.dy_words) * sizeof(uint32_t) + p.weights * sizeof(double));
}

int ck_conv_s16_limit(struct ck_conv c, int largest_weight) {
    size_t terms = c.output_channels * c.kernel * c.kernel * (size_t)largest_weight;
    return (int)minimum(INT16_MAX, INT32_MAX / terms);
}

struct job {
    struct plan plan;
    const struct conv_kernels *kernels;
    enum conv_paired x_kind;
    const char *x;
    size_t x_size;  // bytes of one of x
    const uint16_t *dy;  // bf16, or s16
    const float *unit;
    float *dq;
    double *totals;      // of s16: exact sums, of each worker where pairs are split
    size_t most;         // pairs of s16 whose sum of products fits 32 bits
    uint32_t *scratch;
    size_t first, count;  // the shared chunk's pairs, where channels are split
    int workers;          // that summed their own pairs: OpenMP may grant fewer than asked for
};

/// Packs pairs [begin, end) of the chunk that starts at pair `first` and has `count` pairs.
static void pack_pairs(const struct job *job, uint32_t *x, uint32_t *dy, size_t first, size_t count, size_t begin, size_t end) {
    const struct plan *p = &job->plan;
    size_t pixels = p->shape.height * p->shape.width, x_image = pixels * p->shape.input_channels * job->x_size;
    size_t dy_pixels = output_pixels(p->shape), dy_image = dy_pixels * p->shape.output_channels;
    for (size_t pair = begin; pair < end; pair++) {
        size_t image = 2 * (first + pair);
        int single = image + 1 == p->shape.images;
        size_t other = single ? image : image + 1;
        struct conv_pair_packing packing = {
            job->x + image * x_image, job->x + other * x_image, x + pair * p->input_block,
            pixels, p->shape.input_channels, p->input_block, count, single, job->x_kind};
        job->kernels->pair(&packing);
        packing = (struct conv_pair_packing){
            job->dy + image * dy_image, job->dy + other * dy_image, dy + pair * p->output_block,
            dy_pixels, p->shape.output_channels, p->output_block, count, single, PAIR_NUMBERS};
        job->kernels->pair(&packing);
    }
}

/// The target positions [*begin, *end) whose tap lies inside the source.
static void valid_positions(size_t source, size_t target, size_t stride, size_t padding, size_t tap, size_t *begin, size_t *end) {
    *begin = tap < padding ? (padding - tap + stride - 1) / stride : 0;
    *end = source + padding > tap ? minimum((source + padding - tap - 1) / stride + 1, target) : 0;
    if (*end < *begin) *end = *begin;
}

/// One tap's sums for one block of channels; x and dy are the blocks' panels.
static void tap_sums(const struct job *job, const uint32_t *x, const uint32_t *dy, size_t count, size_t tap, float *sums, double *totals) {
    const struct plan *p = &job->plan;
    struct ck_conv c = p->shape;
    size_t h0, h1, w0, w1, rows = ck_conv_output_side(c.height, c.stride), columns = ck_conv_output_side(c.width, c.stride);
    valid_positions(c.height, rows, c.stride, c.kernel / 2, tap / c.kernel, &h0, &h1);
    valid_positions(c.width, columns, c.stride, c.kernel / 2, tap % c.kernel, &w0, &w1);
    size_t x_h = h0 * c.stride + tap / c.kernel - c.kernel / 2, x_w = w0 * c.stride + tap % c.kernel - c.kernel / 2;
    struct conv_weight_block b = {
        .x = x + (x_h * c.width + x_w) * count * p->input_block,
        .dy = dy + (h0 * columns + w0) * count * p->output_block,
        .rows = w1 > w0 ? h1 - h0 : 0, .x_row = c.stride * c.width * count, .dy_row = columns * count,
        .sums = sums + tap * p->output_block, .totals = totals + tap * p->output_block, .most = job->most,
        .sums_row = c.kernel * c.kernel * p->output_block};
    if (b.rows == 0) b.x = x, b.dy = dy;
    if (c.stride == 1) b.columns = 1, b.run = (w1 - w0) * count;  // positions of a row are contiguous in both
    else b.columns = w1 - w0, b.run = count, b.x_column = c.stride * count, b.dy_column = count;
    if (p->output_block == WIDE_OUTPUTS) (p->exact ? job->kernels->wide_s16 : job->kernels->wide)(&b);
    else (p->exact ? job->kernels->narrow_s16 : job->kernels->narrow)(&b);
}

typedef float quad __attribute__((vector_size(16), aligned(4)));

/// dq[o, ·] = unit[o]·(sums[·, o] (+ dq[o, ·])) for the block's outputs, in squares of 4 × 4; `length` = inputs of the
/// block × taps, `row` = I·K². A null unit is 1.
static void add_sums(const float *restrict sums, float *restrict dq, const float *unit, size_t outputs, size_t length,
                     size_t row, int add) {
    for (size_t o = 0; o < outputs; o += 4)
        for (size_t e = 0; e < length; e += 4) {
            const float *from = sums + e * outputs + o;
            quad a = *(const quad *)from, b = *(const quad *)(from + outputs);
            quad c = *(const quad *)(from + 2 * outputs), d = *(const quad *)(from + 3 * outputs);
            quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            quad ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            quad turned[4] = {
                __builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5), __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7)};
            for (size_t j = 0; j < 4; j++) {
                quad *to = (quad *)(dq + (o + j) * row + e);
                quad sum = add ? *to + turned[j] : turned[j];
                *to = unit ? unit[o + j] * sum : sum;
            }
        }
}

/// The same of exact sums.
static void add_totals(const double *totals, double *to, size_t outputs, size_t length, size_t row, int add) {
    for (size_t o = 0; o < outputs; o++)
        for (size_t e = 0; e < length; e++) to[o * row + e] = totals[e * outputs + o] + (add ? to[o * row + e] : 0);
}

/// Adds the packed chunk's part to output blocks [begin, end) of `dq`, or of `totals`; the first chunk overwrites, the last one (its
/// unit is not null) multiplies by the unit.
static void add_chunk(const struct job *job, const uint32_t *x, const uint32_t *dy, size_t count, float *dq, double *totals,
                      const float *unit, size_t begin, size_t end, int add) {
    const struct plan *p = &job->plan;
    struct ck_conv c = p->shape;
    size_t taps = c.kernel * c.kernel, row = c.input_channels * taps;
    float sums[NARROW_INPUTS * NARROW_OUTPUTS * MAX_TAPS];  // a wide block has as many
    double exact[NARROW_INPUTS * NARROW_OUTPUTS * MAX_TAPS];
    for (size_t o = begin; o < end; o++)
        for (size_t i = 0; i < c.input_channels / p->input_block; i++) {
            const uint32_t *x_panel = x + i * p->input_block * c.height * c.width * count;
            const uint32_t *dy_panel = dy + o * p->output_block * output_pixels(c) * count;
            for (size_t tap = 0; tap < taps; tap++) tap_sums(job, x_panel, dy_panel, count, tap, sums, exact);
            size_t at = o * p->output_block * row + i * p->input_block * taps, length = p->input_block * taps;
            if (p->exact) add_totals(exact, totals + at, p->output_block, length, row, add);
            else add_sums(sums, dq + at, unit ? unit + o * p->output_block : NULL, p->output_block, length, row, add);
        }
}

static void sum_own_pairs(void *context, int worker, int workers) {
    struct job *job = context;
    if (worker == 0) job->workers = workers;
    const struct plan *p = &job->plan;
    size_t begin, end, me = (size_t)worker, chunk_words = p->x_words + p->dy_words;
    uint32_t *x = job->scratch + me * chunk_words, *dy = x + p->x_words;
    float *others = (float *)(job->scratch + (size_t)workers * chunk_words);
    float *dq = worker == 0 ? job->dq : others + (me - 1) * p->weights;
    double *totals = job->totals + (p->exact ? me * p->weights : 0);
    ck_share(p->pairs, worker, workers, &begin, &end);
    if (begin == end && p->exact) memset(totals, 0, p->weights * sizeof *totals);
    else if (begin == end) memset(dq, 0, p->weights * sizeof *dq);
    for (size_t first = begin; first < end; first += p->chunk) {
        size_t count = minimum(p->chunk, end - first);
        pack_pairs(job, x, dy, first, count, 0, count);
        add_chunk(job, x, dy, count, dq, totals, NULL, 0, p->shape.output_channels / p->output_block, first > begin);
    }
}

static void add_workers(const struct job *job) {
    const struct plan *p = &job->plan;
    const float *others = (const float *)(job->scratch + (size_t)job->workers * (p->x_words + p->dy_words));
    for (int other = 1; other < job->workers; other++, others += p->weights)
        for (size_t e = 0; e < p->weights; e++) job->dq[e] += others[e];
    size_t outputs = p->shape.output_channels, row = p->weights / outputs;
    for (size_t o = 0; o < outputs; o++)
        for (size_t e = 0; e < row; e++) job->dq[o * row + e] *= job->unit[o];
}

/// dq = scale·unit·(the workers' exact sums), rounded once.
static void round_totals(const struct job *job, float scale) {
    const struct plan *p = &job->plan;
    size_t outputs = p->shape.output_channels, row = p->weights / outputs, others = p->split_pairs ? (size_t)job->workers : 1;
    for (size_t o = 0; o < outputs; o++) {
        double factor = (double)scale * (double)job->unit[o];
        for (size_t e = o * row; e < (o + 1) * row; e++) {
            double total = job->totals[e];
            for (size_t other = 1; other < others; other++) total += job->totals[other * p->weights + e];
            job->dq[e] = (float)(total * factor);
        }
    }
}

static void pack_shared(void *context, int worker, int workers) {
    const struct job *job = context;
    size_t begin, end;
    ck_share(job->count, worker, workers, &begin, &end);
    pack_pairs(job, job->scratch, job->scratch + job->plan.x_words, job->first, job->count, begin, end);
}

static void sum_own_channels(void *context, int worker, int workers) {
    const struct job *job = context;
    const struct plan *p = &job->plan;
    size_t begin, end;
    ck_share(p->shape.output_channels / p->output_block, worker, workers, &begin, &end);
    const float *unit = job->first + job->count == p->pairs ? job->unit : NULL;
    add_chunk(job, job->scratch, job->scratch + p->x_words, job->count, job->dq, job->totals, unit, begin, end, job->first > 0);
}

static void weight_gradient(struct job job, float scale, int threads) {
    if (job.plan.split_pairs) {
        ck_parallel(threads, sum_own_pairs, &job);
        if (job.plan.exact) round_totals(&job, scale);
        else add_workers(&job);
        return;
    }
    for (job.first = 0; job.first < job.plan.pairs; job.first += job.plan.chunk) {
        job.count = minimum(job.plan.chunk, job.plan.pairs - job.first);
        ck_parallel(threads, pack_shared, &job);
        ck_parallel(threads, sum_own_channels, &job);
    }
    if (job.plan.exact) round_totals(&job, scale);
}

void ck_conv_weight_gradient(const uint8_t *x, const uint16_t *dy, const float *unit, float *dq, void *scratch,
                             struct ck_conv c, enum ck_conv_path path, int threads) {
    struct job job = {.plan = plan_of(c, 0), .kernels = conv_kernels(path), .x_kind = PAIR_LEVELS_BF16, .x = (const char *)x,
                      .x_size = sizeof *x, .dy = dy, .unit = unit, .dq = dq, .scratch = scratch};
    weight_gradient(job, 1, threads);
}

void ck_conv_weight_gradient_bf16(const uint16_t *x, const uint16_t *dy, const float *unit, float *dw, void *scratch,
                                  struct ck_conv c, enum ck_conv_path path, int threads) {
    struct job job = {.plan = plan_of(c, 0), .kernels = conv_kernels(path), .x_kind = PAIR_NUMBERS, .x = (const char *)x,
                      .x_size = sizeof *x, .dy = dy, .unit = unit, .dq = dw, .scratch = scratch};
    weight_gradient(job, 1, threads);
}

void ck_conv_weight_gradient_s16(const uint8_t *x, int top, const int16_t *dy, float scale, const float *unit, float *dq, void *scratch,
                                 struct ck_conv c, enum ck_conv_path path, int threads) {
    struct plan plan = plan_of(c, 1);
    double *totals = scratch;
    struct job job = {.plan = plan, .kernels = conv_kernels(path), .x_kind = PAIR_LEVELS_S16, .x = (const char *)x, .x_size = sizeof *x,
                      .dy = (const uint16_t *)dy, .unit = unit, .dq = dq, .totals = totals,
                      .most = (size_t)(INT32_MAX / (2 * top * INT16_MAX)),
                      .scratch = (uint32_t *)(totals + (plan.split_pairs ? (size_t)threads : 1) * plan.weights)};
    weight_gradient(job, scale, threads);
}
