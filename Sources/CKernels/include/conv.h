// SPDX-License-Identifier: GPL-3.0-or-later
// Convolutions in low precision: u8 levels times small s8 integer weights, exactly, or bf16 times bf16 with f32 sums; and their
// gradients in bf16 with f32 sums, or in integers of 16 bits times a common scale, exactly. A bf16 number is the upper half of
// an f32's bits.
//
// Dimension letters: N images, H×W the input's rows and columns, I its channels; H'×W' and O the output's. Maps are
// channels-last, row-major: inputs (levels or bf16) and their gradient [N, H, W, I], outputs and their gradient
// [N, H', W', O]; weights (integer weights q or floats) are [O, I, K, K]. The padding is K/2 on all sides, so
// H' = (H − 1)/stride + 1, and likewise W'.
// With p = K/2 and terms outside the input zero:
//
//     forward          y[n,h,w,o]  = Σ_{i,r,s} x[n, h·stride+r−p, w·stride+s−p, i] · q[o,i,r,s]
//     input gradient   dx          = the adjoint of x ↦ y, applied to dy
//     weight gradient  dq[o,i,r,s] = unit[o] · Σ_{n,h,w} x[n, h·stride+r−p, w·stride+s−p, i] · dy[n,h,w,o]
//
// The definitions as plain loops: Sources/Compute/QuantizedConvolutionReference.swift.
// Nothing is allocated: the caller hands over packed weights and scratch. Packed weights and scratch are aligned to 8
// bytes, other buffers to their numbers; 64 is best.
// Denormal bf16, read or written, may count as zero: AVX-512's instructions do so, other paths do not.
// The results of one path depend on nothing but their arguments; only the weight gradient's last bits from bf16 depend on
// `threads` too. Exact sums, and what is rounded once from them, are the same on every path.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// `kernel` K is 1 or 3 and `stride` 1 or 2; the channels are multiples of 16.
struct ck_conv {
    size_t images, height, width, input_channels, output_channels, kernel, stride;
};
static inline size_t ck_conv_output_side(size_t side, size_t stride) { return (side - 1) / stride + 1; }

/// How the arithmetic is done: plain C, correct everywhere; AVX2, whose bits are those of plain C compiled for it; AVX-512 with
/// VNNI and BF16. Each processor that has one has those before it.
enum ck_conv_path { CK_CONV_PORTABLE, CK_CONV_AVX2, CK_CONV_AVX512 };

/// The fastest path that this processor has.
enum ck_conv_path ck_conv_best_path(void);

/// The bytes of the packed weights: one for each code forward, two (bf16) for the input gradient.
size_t ck_conv_packed_forward_bytes(struct ck_conv);
size_t ck_conv_packed_backward_bytes(struct ck_conv);

/// What the gradients of a convolution's results are made of.
enum ck_conv_gradients { CK_GRADIENTS_BF16, CK_GRADIENTS_S16 };

/// Packs integer weights [O, I, K, K] for the passes below; a null `forward` or `backward` is left out.
void ck_conv_pack(const int8_t *integer_weights, struct ck_conv, void *forward, void *backward, enum ck_conv_gradients,
                  int threads);

/// Exact sums. The 32-bit ones hold any levels and integer weights of magnitude up to 127 while I·K² ≤ 66 000; the 16-bit ones while
/// I·K²·(highest level)·(largest |code|) ≤ 32 767. `packed` is what `ck_conv_pack` made as `forward`.
void ck_conv_forward_s32(const uint8_t *x, const void *packed, int32_t *y, struct ck_conv, enum ck_conv_path, int threads);
void ck_conv_forward_s16(const uint8_t *x, const void *packed, int16_t *y, struct ck_conv, enum ck_conv_path, int threads);

/// The same from bf16 x and bf16 weights, with f32 sums, y rounded to bf16: to nearest, ties to even.
/// Packed, they are factor · weights [O, I, K, K], rounded likewise; 2 bytes each (`ck_conv_packed_backward_bytes`), both ways.
void ck_conv_pack_bf16(const float *weights, float factor, struct ck_conv, void *forward, void *backward, int threads);
void ck_conv_forward_bf16(const uint16_t *x, const void *packed, uint16_t *y, struct ck_conv, enum ck_conv_path, int threads);

/// dx from dy in bf16, with f32 sums, rounded to nearest, ties to even; `packed` is `backward` of `ck_conv_pack` or `ck_conv_pack_bf16`.
/// dx is overwritten.
void ck_conv_input_gradient_bf16(const uint16_t *dy, const void *packed, uint16_t *dx, struct ck_conv, enum ck_conv_path,
                                 int threads);

/// The largest |dy| of 16 bits such that no sum over O·K² of dy·q exceeds 32 bits, |q| ≤ `largest_weight`.
int ck_conv_s16_limit(struct ck_conv, int largest_weight);

/// dx = scale · Σ dy·q in bf16, Σ exact in 32 bits (`ck_conv_s16_limit`), its f32 and the product rounded to nearest, ties to even;
/// `packed` for CK_GRADIENTS_S16.
void ck_conv_input_gradient_s16(const int16_t *dy, float scale, const void *packed, uint16_t *dx, struct ck_conv, enum ck_conv_path,
                                int threads);

/// dq [O, I, K, K] from levels, or from bf16 x, dy in bf16 and unit [O], with f32 sums; overwritten.
/// `scratch` holds `ck_conv_weight_scratch_bytes(shape, threads)` bytes.
size_t ck_conv_weight_scratch_bytes(struct ck_conv, int threads);
void ck_conv_weight_gradient(const uint8_t *x, const uint16_t *dy, const float *unit, float *dq, void *scratch,
                             struct ck_conv, enum ck_conv_path, int threads);
void ck_conv_weight_gradient_bf16(const uint16_t *x, const uint16_t *dy, const float *unit, float *dw, void *scratch,
                                  struct ck_conv, enum ck_conv_path, int threads);

/// dq = scale · unit[o] · Σ x·dy, the sum exact (below 2⁵³), the product in f64 rounded once; |dy| ≤ 32767, levels up to `top`.
/// `scratch` holds `ck_conv_weight_scratch_bytes_s16(shape, threads)` bytes.
size_t ck_conv_weight_scratch_bytes_s16(struct ck_conv, int threads);
void ck_conv_weight_gradient_s16(const uint8_t *x, int top, const int16_t *dy, float scale, const float *unit, float *dq, void *scratch,
                                 struct ck_conv, enum ck_conv_path, int threads);
