// SPDX-License-Identifier: GPL-3.0-or-later
#include "common/lanes.h"
#include "ordered.h"

#pragma clang fp contract(off)

struct job {
    const float *x, *w, *bias;
    float *y;
    size_t rows, row, terms;  // targets [rows, row]; terms of a sum
    size_t step;              // of coefficients, from one row to the next, and …
    size_t term;              // … from one term to the next
};

CK_INLINE float dot(const float *a, const float *b, size_t count) {
    float sums[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++) sums[j] = __builtin_fmaf(a[i + j], b[i + j], sums[j]);
    }
    for (size_t j = 0; i + j < count; j++) sums[j] = __builtin_fmaf(a[i + j], b[i + j], sums[j]);
    for (size_t j = 0; j < LANES; j++) sum += sums[j];
    return sum;
}

CK_WORKER(dots) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->rows, worker, workers, &begin, &end);
    for (size_t n = begin; n < end; n++)
        for (size_t o = 0; o < j->row; o++) j->y[n * j->row + o] = j->bias[o] + dot(j->x + n * j->terms, j->w + o * j->terms, j->terms);
}

void ck_linear_forward(const float *x, const float *w, const float *bias, float *y, size_t batch, size_t inputs, size_t outputs,
                       int threads) {
    struct job j = {.x = x, .w = w, .bias = bias, .y = y, .rows = batch, .row = outputs, .terms = inputs};
    ck_parallel(threads, dots[ck_copy()], &j);
}

// y[r, ·] = Σ_t x[r·step + t·term] · w[t, ·].
CK_WORKER(rows) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->rows, worker, workers, &begin, &end);
    for (size_t r = begin; r < end; r++) {
        float *restrict y = j->y + r * j->row;
        for (size_t i = 0; i < j->row; i++) y[i] = 0;
        for (size_t t = 0; t < j->terms; t++) {
            const float *restrict w = j->w + t * j->row;
            float x = j->x[r * j->step + t * j->term];
            for (size_t i = 0; i < j->row; i++) y[i] = __builtin_fmaf(x, w[i], y[i]);
        }
    }
}

void ck_linear_backward_weight(const float *x, const float *dy, float *dw, size_t batch, size_t inputs, size_t outputs, int threads) {
    struct job j = {.x = dy, .w = x, .y = dw, .rows = outputs, .row = inputs, .terms = batch, .step = 1, .term = outputs};
    ck_parallel(threads, rows[ck_copy()], &j);
}

void ck_linear_backward_input(const float *dy, const float *w, float *dx, size_t batch, size_t inputs, size_t outputs, int threads) {
    struct job j = {.x = dy, .w = w, .y = dx, .rows = batch, .row = inputs, .terms = outputs, .step = outputs, .term = 1};
    ck_parallel(threads, rows[ck_copy()], &j);
}
