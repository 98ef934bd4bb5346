// SPDX-License-Identifier: GPL-3.0-or-later
// What the processor can do, of what there is code for. Every choice between kernels goes by this.
#pragma once

/// Features that kernels ask for, as a mask.
enum ck_feature {
    CK_HAS_AVX2 = 1,          ///< x86-64-v3: AVX2, FMA, F16C, BMI1, BMI2, LZCNT, MOVBE
    CK_HAS_AVX_VNNI = 2,      ///< VNNI on AVX2's registers
    CK_HAS_AVX512 = 4,        ///< x86-64-v4: AVX-512 F, BW, CD, DQ, VL
    CK_HAS_AVX512_VNNI = 8,
    CK_HAS_AVX512_VBMI = 16,
    CK_HAS_AVX512_BF16 = 32,
    CK_HAS_NEON = 64,      ///< arm64: Advanced SIMD
    CK_HAS_DOTPROD = 128,  ///< its dot products of bytes
    CK_HAS_I8MM = 256,     ///< its matrix products of bytes
};

/// Sets of features that have a name, of x86-64 and of arm64, each the one above it and something more; AVX-VNNI is in its own only.
enum ck_isa {
    CK_PORTABLE,
    CK_AVX2,
    CK_AVX_VNNI,
    CK_AVX512,
    CK_AVX512_VNNI,
    CK_AVX512_VBMI,
    CK_AVX512_BF16,
    CK_NEON,
    CK_DOTPROD,
    CK_I8MM,
    CK_ISA_COUNT,
};

/// As BCGD_ISA spells it: portable, avx2, avxvnni, avx512, avx512vnni, avx512vbmi, avx512bf16, neon, dotprod, i8mm.
const char *ck_isa_name(enum ck_isa);
unsigned ck_isa_features(enum ck_isa);

/// The value of the environment variable BCGD_ISA, which only takes features away, where it names no set; else null.
/// Programs refuse it at their start; the kernels take it for `portable`.
const char *ck_unknown_isa(void);

/// Features that processor and operating system have, BCGD_ISA leaves, and ck_limit_thread allows.
unsigned ck_features(void);

/// For tests: kernels that are called from this thread from now on use no features but those of `isa`; CK_ISA_COUNT ends it.
/// Returns what held before.
enum ck_isa ck_limit_thread(enum ck_isa);
