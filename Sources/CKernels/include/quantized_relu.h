// SPDX-License-Identifier: GPL-3.0-or-later
// The quantized ReLU and its coarse backward pass over buffers, one fused pass each.
// Results, the sum included, depend on neither `threads` nor the instruction set.
// `step_size` must be finite and positive; `qmax` = 2^bits − 1, at most 255. The semantics are those of
// Sources/Quantization/QuantizedReLU.swift, bit for bit.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// output = step size · clamp(ceil(x / step size), 0, qmax); `output` may be `x`.
void ck_quantized_relu(const float *x, float *output, size_t count, float step_size, float qmax, int threads);

/// levels = clamp(ceil(x / step size), 0, qmax) as bytes; 0 for NaN.
void ck_quantized_relu_levels(const float *x, uint8_t *levels, size_t count, float step_size, float qmax, int threads);

/// Where the coarse derivative in x is 1: `relu` restricts it to x > 0, `clip` to x / step size ≤ qmax.
/// The coarse derivative in the step size on 0 < x/step size ≤ qmax is the level (`exact`) or the constant `inside`.
struct ck_coarse_derivatives {
    int relu, clip, exact;
    float inside;
};

/// x_gradient = coarse x-derivative · output_gradient (the two may be the same buffer);
/// returns Σ coarse step size-derivative · output_gradient.
double ck_quantized_relu_backward(const float *x, const float *output_gradient, float *x_gradient, size_t count,
                                  float step_size, float qmax, struct ck_coarse_derivatives derivatives, int threads);
