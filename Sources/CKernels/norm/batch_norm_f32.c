// SPDX-License-Identifier: GPL-3.0-or-later
#include "batch_norm.h"
#include "common/kernel.h"
#include "parallel.h"

// Channels are taken in tiles, rows in blocks: a block is summed in f32 (at most BLOCK terms, so the
// rounding stays near 1e-6 relative), blocks are summed in f64.
enum { TILE = 64, BLOCK = 64 };

struct job {
    const float *x, *dy, *mean, *inverse, *a, *b, *c;
    float *out;
    double *scratch;
    size_t rows, channels;
    enum ck_copy copy;
};

static double *partial(const struct job *j, int worker) { return j->scratch + 2 * j->channels * (size_t)worker; }

CK_KERNEL(void, block_moments, (const float *x, const float *shift, size_t rows, size_t stride, size_t n, double *first,
                                double *second),
          (x, shift, rows, stride, n, first, second)) {
    float s1[TILE] = {0}, s2[TILE] = {0};
    for (size_t i = 0; i < rows; ++i)
        for (size_t c = 0; c < n; ++c) {
            float d = x[i * stride + c] - shift[c];
            s1[c] += d;
            s2[c] += d * d;
        }
    for (size_t c = 0; c < n; ++c) {
        first[c] += (double)s1[c];
        second[c] += (double)s2[c];
    }
}

CK_KERNEL(void, block_products, (const float *x, const float *dy, const float *mean, const float *inverse, size_t rows,
                                 size_t stride, size_t n, double *first, double *second),
          (x, dy, mean, inverse, rows, stride, n, first, second)) {
    float s1[TILE] = {0}, s2[TILE] = {0};
    for (size_t i = 0; i < rows; ++i)
        for (size_t c = 0; c < n; ++c) {
            float g = dy[i * stride + c];
            s1[c] += g;
            s2[c] += g * ((x[i * stride + c] - mean[c]) * inverse[c]);
        }
    for (size_t c = 0; c < n; ++c) {
        first[c] += (double)s1[c];
        second[c] += (double)s2[c];
    }
}

static void sums(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->rows, worker, workers, &begin, &end);
    double *first = partial(j, worker), *second = first + j->channels;
    for (size_t c = 0; c < 2 * j->channels; ++c) first[c] = 0;
    for (size_t row = begin; row < end; row += BLOCK) {
        size_t rows = end - row < BLOCK ? end - row : BLOCK;
        for (size_t c = 0; c < j->channels; c += TILE) {
            size_t n = j->channels - c < TILE ? j->channels - c : TILE, at = row * j->channels + c;
            if (j->dy)
                block_products[j->copy](j->x + at, j->dy + at, j->mean + c, j->inverse + c, rows, j->channels, n, first + c, second + c);
            else
                block_moments[j->copy](j->x + at, j->x + c, rows, j->channels, n, first + c, second + c);
        }
    }
}

// Adds the workers' sums, in the order of the workers, into the first one's.
static void collect(const struct job *j, int threads) {
    ck_parallel(threads, sums, (void *)j);
    double *total = partial(j, 0);
    for (int worker = 1; worker < threads; ++worker)
        for (size_t c = 0; c < 2 * j->channels; ++c) total[c] += partial(j, worker)[c];
}

void ck_batch_norm_statistics(const float *x, size_t rows, size_t channels, float *mean, float *variance, double *scratch,
                              int threads) {
    struct job j = {.copy = ck_copy(), .x = x, .scratch = scratch, .rows = rows, .channels = channels};
    collect(&j, threads);
    for (size_t c = 0; c < channels; ++c) {
        double m = scratch[c] / (double)rows, v = scratch[channels + c] / (double)rows - m * m;
        mean[c] = (float)(x[c] + m);
        variance[c] = v > 0 ? (float)v : 0;
    }
}

void ck_batch_norm_backward_sums(const float *x, const float *dy, size_t rows, size_t channels, const float *mean,
                                 const float *inverse, float *sum, float *dot, double *scratch, int threads) {
    struct job j = {.copy = ck_copy(), .x = x, .dy = dy, .mean = mean, .inverse = inverse, .scratch = scratch, .rows = rows,
            .channels = channels};
    collect(&j, threads);
    for (size_t c = 0; c < channels; ++c) {
        sum[c] = (float)scratch[c];
        dot[c] = (float)scratch[channels + c];
    }
}

CK_KERNEL(void, affine_rows, (const float *x, float *y, size_t rows, size_t channels, const float *a, const float *b),
          (x, y, rows, channels, a, b)) {
    for (size_t i = 0; i < rows; ++i)
        for (size_t c = 0; c < channels; ++c) y[i * channels + c] = a[c] * x[i * channels + c] + b[c];
}

static void affine(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->rows, worker, workers, &begin, &end);
    affine_rows[j->copy](j->x + begin * j->channels, j->out + begin * j->channels, end - begin, j->channels, j->a, j->b);
}

void ck_channel_affine(const float *x, float *y, size_t rows, size_t channels, const float *a, const float *b, int threads) {
    struct job j = {.copy = ck_copy(), .x = x, .out = y, .a = a, .b = b, .rows = rows, .channels = channels};
    ck_parallel(threads, affine, &j);
}

CK_KERNEL(void, input_rows, (const float *x, const float *dy, float *dx, size_t rows, size_t channels, const float *p,
                             const float *q, const float *r),
          (x, dy, dx, rows, channels, p, q, r)) {
    for (size_t i = 0; i < rows; ++i)
        for (size_t c = 0; c < channels; ++c) {
            size_t at = i * channels + c;
            dx[at] = p[c] * dy[at] + q[c] * x[at] + r[c];
        }
}

static void input(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->rows, worker, workers, &begin, &end);
    size_t at = begin * j->channels;
    input_rows[j->copy](j->x + at, j->dy + at, j->out + at, end - begin, j->channels, j->a, j->b, j->c);
}

void ck_batch_norm_backward_input(const float *x, const float *dy, float *dx, size_t rows, size_t channels, const float *p,
                                  const float *q, const float *r, int threads) {
    struct job j = {.copy = ck_copy(), .x = x, .dy = dy, .out = dx, .a = p, .b = q, .c = r, .rows = rows, .channels = channels};
    ck_parallel(threads, input, &j);
}
