// SPDX-License-Identifier: GPL-3.0-or-later
// Functions compiled for several instruction sets, and the table that one is taken from.
#pragma once
#include "cpu.h"

#define CK_INLINE static inline __attribute__((always_inline))

/// The copies that a compiler's vectorised loops are worth: their place in each table.
enum ck_copy { CK_COPY_PORTABLE, CK_COPY_AVX2, CK_COPY_AVX512 };

/// The copy that calls from this thread use.
CK_INLINE enum ck_copy ck_copy(void) {
    unsigned features = ck_features();
    return features & CK_HAS_AVX512 ? CK_COPY_AVX512 : features & CK_HAS_AVX2 ? CK_COPY_AVX2 : CK_COPY_PORTABLE;
}

/// Opens the definition of a function that is compiled once for each of them, and makes `name` the table of the copies:
///
///     CK_KERNEL(void, scale, (float *x, size_t count), (x, count)) {
///         for (size_t i = 0; i < count; i++) x[i] *= 2;
///     }
///     scale[ck_copy()](x, count);
///
/// What it calls must be inlined to be compiled likewise. Numbers may differ between copies in the last bits, as
/// multiply-adds are fused where the processor can.
#if defined(__x86_64__)
// What x86-64-v3 and -v4 have; under those names the compiler would tune for processors of their time, with narrower vectors.
#define CK_V3 "popcnt,avx2,fma,f16c,bmi,bmi2,lzcnt,movbe"
#define CK_FOR_AVX2 __attribute__((target(CK_V3)))
#define CK_FOR_AVX512 __attribute__((target(CK_V3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))
#define CK_KERNEL(result, name, parameters, arguments)                                                                       \
    CK_INLINE result name##_body parameters;                                                                                 \
    static result name##_portable parameters { return name##_body arguments; }                                               \
    CK_FOR_AVX2 static result name##_avx2 parameters { return name##_body arguments; }                                       \
    CK_FOR_AVX512 static result name##_avx512 parameters { return name##_body arguments; }                                   \
    __attribute__((unused)) static result (*const name[])parameters = {name##_portable, name##_avx2, name##_avx512};         \
    CK_INLINE result name##_body parameters
#else
#define CK_KERNEL(result, name, parameters, arguments)                                                                       \
    CK_INLINE result name##_body parameters;                                                                                 \
    static result name##_portable parameters { return name##_body arguments; }                                               \
    __attribute__((unused)) static result (*const name[])parameters = {name##_portable};                                     \
    CK_INLINE result name##_body parameters
#endif

/// A kernel of the kind that ck_parallel runs.
#define CK_WORKER(name) CK_KERNEL(void, name, (void *context, int worker, int workers), (context, worker, workers))

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#pragma clang diagnostic ignored "-Wpass-failed"  // checked loops are not vectorised, which is no news then
#endif
