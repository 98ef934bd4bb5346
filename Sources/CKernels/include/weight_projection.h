// SPDX-License-Identifier: GPL-3.0-or-later
// Passes over a weight tensor from which Sources/Quantization/SlicedProjection.swift builds its projections.
// Weights are finite unless said otherwise; `quantized` or `integer_weights` may be NULL. No result depends on `threads`.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Σ|w| (not finite when a weight is not) and max|w|.
struct ck_magnitudes {
    double sum;
    float maximum;
};
struct ck_magnitudes ck_magnitudes(const float *w, size_t count, int threads);

/// Σ and number of the magnitudes ≥ threshold.
struct ck_kept {
    double sum, count;
};
struct ck_kept ck_kept(const float *w, size_t count, float threshold, int threads);

/// quantized = ±scale, integer weights = ±1; zero counts as positive.
void ck_binary_integer_weights(const float *w, size_t count, float scale, float *quantized, int8_t *integer_weights, int threads);

/// quantized = ±scale and integer weights = ±1 where |w| ≥ threshold, else 0.
void ck_ternary_integer_weights(const float *w, size_t count, float threshold, float scale, float *quantized, int8_t *integer_weights,
                      int threads);

/// q = clamp(round-half-even(w / step), ±qmax): quantized = scale·q, integer weights = q.
void ck_rounded_integer_weights(const float *w, size_t count, float step, float qmax, float scale, float *quantized,
        int8_t *integer_weights,
                      int threads);

/// ⟨w,q⟩ and ⟨q,q⟩ for the q of `ck_rounded_integer_weights`.
struct ck_products {
    double wq, qq;
};
struct ck_products ck_rounded_products(const float *w, size_t count, float step, float qmax, int threads);

/// Bins of equal width 2^shift in the bit pattern of |w|, whose order is that of the magnitudes.
/// Bin 0 takes what lies below `base`; bin j ≥ 1 takes bit patterns base + [(j−1)·2^shift, j·2^shift).
/// `base` is a multiple of 2^shift and shift ≤ 23, so that a bin stays within one binade and its sum is
/// count·(lowest magnitude) + offsets·(unit in the last place), in integers exactly.
enum { CK_MAGNITUDE_BINS = 2049 };
struct ck_magnitude_bin {
    uint64_t count, offsets;
};
/// `bins` has room for bin_count ≤ CK_MAGNITUDE_BINS, enough for the largest magnitude.
void ck_magnitude_histogram(const float *w, size_t count, uint32_t base, int shift, struct ck_magnitude_bin *bins,
                            int bin_count, int threads);

/// Copies the magnitudes in [low, high) to `out` (room for `count`), in the order of w, and returns their number.
size_t ck_gather_magnitudes(const float *w, size_t count, float low, float high, float *out, int threads);
