// SPDX-License-Identifier: GPL-3.0-or-later
// f32 products whose bits are the same on every processor and for any number of threads: each sum runs in one order, which the
// shapes alone decide, by multiply-adds of one rounding. For what little of a quantized network is in f32: the convolution of the
// images, and the classifier.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A convolution of images [N, H, W, C] to [N, H', W', O] with any odd or even kernel; O is a multiple of 16.
struct ck_first_conv {
    size_t images, height, width, channels, outputs, kernel, stride, padding;
};
static inline size_t ck_first_conv_output_side(size_t side, struct ck_first_conv c) {
    return (side + 2 * c.padding - c.kernel) / c.stride + 1;
}

/// y[n,h,w,o] = Σ x[n, h·stride+r−padding, w·stride+s−padding, i] · weight[o,i,r,s], in the order of (r, s, i).
/// `packed` is made by `ck_first_conv_pack`: O·C·K² floats. `scratch` holds `ck_first_conv_scratch_floats` floats.
void ck_first_conv_pack(const float *weight, struct ck_first_conv, float *packed);
size_t ck_first_conv_scratch_floats(struct ck_first_conv, int threads);
void ck_first_conv_forward(const float *x, const float *packed, float *y, struct ck_first_conv, float *scratch, int threads);

/// dw[o,i,r,s] = Σ x·dy, dy in bf16: f32 sums over the pixels of an image, in their order, added up in f64 in the order of the images.
void ck_first_conv_weight_gradient(const float *x, const uint16_t *dy, float *dw, struct ck_first_conv, int threads);

/// y[n,o] = bias[o] + Σ_i x[n,i]·w[o,i] (sixteen running sums, added up in order); x [N, I], w [O, I], y [N, O].
void ck_linear_forward(const float *x, const float *w, const float *bias, float *y, size_t batch, size_t inputs, size_t outputs,
                       int threads);
/// dw[o,i] = Σ_n dy[n,o]·x[n,i] and dx[n,i] = Σ_o dy[n,o]·w[o,i], in the order of n and of o.
void ck_linear_backward_weight(const float *x, const float *dy, float *dw, size_t batch, size_t inputs, size_t outputs, int threads);
void ck_linear_backward_input(const float *dy, const float *w, float *dx, size_t batch, size_t inputs, size_t outputs, int threads);
