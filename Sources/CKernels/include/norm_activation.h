// SPDX-License-Identifier: GPL-3.0-or-later
// Batch norm, residual addition and quantized ReLU in one go, between an integer convolution and the next.
//
// Maps are channels-last, [rows, channels] with rows = N·H·W and channels a multiple of 16. `acc` holds the convolution's
// results in units of α_in·δ: s16 or s32 exact integers, or f32. In units of the layer's own resolution α (levels),
//     t[i, c] = a[c]·acc[i, c] + b[c] + step·shortcut[i, c],      level = clamp(ceil(t), 0, top)
// where a and b hold batch norm's scale and shift divided by α, and step = α_shortcut/α.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "quantized_relu.h"

enum ck_acc_type { CK_ACC_S16, CK_ACC_S32, CK_ACC_F32 };

struct ck_norm_activation {
    const void *acc;
    enum ck_acc_type type;
    size_t rows, channels;
    const float *a, *b;       // [channels]
    const uint8_t *shortcut;  // levels [rows, channels], or null
    float step, top;
};

/// mean[c] and biased variance[c] of acc. `scratch` holds 2 · threads · channels doubles.
void ck_acc_statistics(const void *acc, enum ck_acc_type type, size_t rows, size_t channels, double *mean, double *variance,
                       double *scratch, int threads);

/// The largest t, or 0: what calibration sets the resolution by. Runs once a training, so it is plain C.
float ck_norm_activation_maximum(struct ck_norm_activation map);

/// levels [rows, channels].
void ck_norm_activation_forward(struct ck_norm_activation map, uint8_t *levels, int threads);

/// First backward pass: `gradient` (bf16, of the loss in α·level; `other`, if not null, is added to it) becomes dz, the
/// gradient in α·t, in place. sum[c] = Σ dz and dot[c] = Σ dz·(acc − mean[c]). Returns Σ gradient · coarse derivative in α.
/// `scratch` holds (2 · channels + 1) · threads doubles.
double ck_norm_activation_backward_sums(struct ck_norm_activation map, uint16_t *gradient, const uint16_t *other,
                                        const float *mean, struct ck_coarse_derivatives derivatives, double *sum, double *dot,
                                        double *scratch, int threads);

/// Second backward pass: out = p[c]·dz + q[c]·acc + r[c], in bf16.
void ck_norm_activation_backward_input(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                       const float *r, uint16_t *out, int threads);
