// SPDX-License-Identifier: GPL-3.0-or-later
// Sixteen channels at a time in clang's vector types: one register with AVX-512, two with AVX2, four elsewhere.
#pragma once
#include <stdint.h>
#include "kernel.h"

// Every function with a vector argument is inlined into its caller, so no calling convention is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

enum { W = 16 };
typedef float f32v __attribute__((vector_size(4 * W)));
typedef int32_t s32v __attribute__((vector_size(4 * W)));
typedef uint32_t u32v __attribute__((vector_size(4 * W)));
typedef int16_t s16v __attribute__((vector_size(2 * W)));
typedef uint16_t u16v __attribute__((vector_size(2 * W)));
typedef uint8_t u8v __attribute__((vector_size(W)));
typedef double f64v __attribute__((vector_size(8 * W)));
#define LOAD(type, p) ({ type v_; __builtin_memcpy(&v_, (p), sizeof v_); v_; })
#define STORE(p, value) ({ __typeof__(value) v_ = (value); __builtin_memcpy((p), &v_, sizeof v_); })

CK_INLINE f32v from_bf16(u16v bits) { return (f32v)(__builtin_convertvector(bits, u32v) << 16); }

// Round to nearest even; a NaN stays one because its quiet bit is kept set.
CK_INLINE u16v to_bf16(f32v x) {
    u32v bits = (u32v)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    u32v nan = (u32v)(x != x);
    return __builtin_convertvector((rounded & ~nan) | (0x7fc0 & nan), u16v);
}

// To the nearest integer, ties to even; x must lie in its range.
CK_INLINE s16v to_s16(f32v x) { return __builtin_convertvector(__builtin_convertvector(__builtin_elementwise_roundeven(x), s32v), s16v); }

CK_INLINE f32v fused(f32v x, f32v y, f32v z) { return __builtin_elementwise_fma(x, y, z); }

CK_INLINE f32v choose(s32v mask, f32v yes, f32v no) { return (f32v)(((s32v)yes & mask) | ((s32v)no & ~mask)); }
