// SPDX-License-Identifier: GPL-3.0-or-later
// Batch norm, residual addition and activation in one go, between a convolution in low precision and the next.
//
// Maps are channels-last, [rows, channels] with rows = N·H·W and channels a multiple of 16. `acc` holds the convolution's
// results: exact integers s16 or s32 in units of α_in·δ, bf16, or f32. With α the layer's own step size where its
// activation is the quantized ReLU, else 1, z/α (z is what the activation is applied to) is
//     t[i, c] = a[c]·acc[i, c] + b[c] + step·shortcut[i, c]
// where a and b hold batch norm's scale and shift divided by α, and step = (the shortcut's unit)/α; for LSQ, PACT and DoReFa, which
// round to the nearest level, α is theirs too, and b has ½ less. The result is
//     clamp(ceil(t), 0, qmax) (levels),   max(t, 0)   or   t.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "quantized_relu.h"

enum ck_number { CK_U8, CK_S16, CK_S32, CK_F32, CK_BF16 };
enum ck_activation { CK_QUANTIZED_RELU, CK_RELU, CK_IDENTITY };

struct ck_norm_activation {
    const void *acc;
    enum ck_number acc_type;  // CK_S16, CK_S32, CK_F32 or CK_BF16
    size_t rows, channels;
    const float *a, *b;            // [channels]
    const void *shortcut;          // [rows, channels], or null
    enum ck_number shortcut_type;  // CK_U8, CK_BF16 or CK_F32
    float step, qmax;               // qmax: of the quantized ReLU
    enum ck_activation activation;
};

/// mean[c] and biased variance[c] of acc. The rows are summed in `parts`, which are added in order: the bits depend on their number,
/// not on the threads'. `scratch` holds 2 · parts · channels doubles.
void ck_acc_statistics(const void *acc, enum ck_number type, size_t rows, size_t channels, double *mean, double *variance,
                       double *scratch, int parts, int threads);

/// The largest t, or 0: what calibration sets the step size by. Runs once a training, so it is plain C.
float ck_norm_activation_maximum(struct ck_norm_activation map);

/// result [rows, channels]: CK_U8 (levels of the quantized ReLU), CK_BF16 (levels, exactly; or rounded values), or CK_F32 (t,
/// where there is no activation).
void ck_norm_activation_forward(struct ck_norm_activation map, void *result, enum ck_number type, int threads);

/// First backward pass: `gradient` (bf16, of the loss in α·result; `other`, if not null, is added to it) becomes dz, the
/// gradient in z = α·t, in place. sum[c] = Σ dz and dot[c] = Σ dz·(acc − mean[c]). Returns Σ gradient · coarse derivative in
/// α. `derivatives` are the quantized ReLU's. `scratch` holds (2 · channels + 1) · parts doubles.
double ck_norm_activation_backward_sums(struct ck_norm_activation map, uint16_t *gradient, const uint16_t *other,
                                        const float *mean, struct ck_coarse_derivatives derivatives, double *sum, double *dot,
                                        double *scratch, int parts, int threads);

/// Second backward pass: out = p[c]·dz + q[c]·acc + r[c], in bf16.
void ck_norm_activation_backward_input(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                       const float *r, uint16_t *out, int threads);

/// The same in integers of 16 bits: out = the integer next to factor · (p[c]·dz + q[c]·acc + r[c]), ties to even, which must lie in
/// −32768 … 32767. The largest magnitude of what `factor` multiplies is infinite or NaN where one is; `scratch` holds a double for
/// each thread.
float ck_norm_activation_largest_gradient(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                          const float *r, double *scratch, int threads);
void ck_norm_activation_backward_input_s16(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                           const float *r, float factor, int16_t *out, int threads);
