// SPDX-License-Identifier: GPL-3.0-or-later
// Batch normalisation (Ioffe and Szegedy 2015) over channels-last maps seen as [rows, channels], rows = N·H·W.
#pragma once
#include <stddef.h>

/// mean[c] and the biased variance[c] of x[., c]. `scratch` holds 2 · threads · channels doubles.
/// One pass over shifted data (x − x[0, c]), so that a mean far from 0 costs no digits.
void ck_batch_norm_statistics(const float *x, size_t rows, size_t channels, float *mean, float *variance,
                              double *scratch, int threads);

/// y = a[c]·x + b[c]; x and y may be the same.
void ck_channel_affine(const float *x, float *y, size_t rows, size_t channels, const float *a, const float *b, int threads);

/// sum[c] = Σ dy, dot[c] = Σ dy·x̂ with x̂ = (x − mean[c])·inverse[c]. `scratch` as above.
void ck_batch_norm_backward_sums(const float *x, const float *dy, size_t rows, size_t channels, const float *mean,
                                 const float *inverse, float *sum, float *dot, double *scratch, int threads);

/// dx = p[c]·dy + q[c]·x + r[c]; dx may be dy.
void ck_batch_norm_backward_input(const float *x, const float *dy, float *dx, size_t rows, size_t channels,
                                  const float *p, const float *q, const float *r, int threads);
