// SPDX-License-Identifier: GPL-3.0-or-later
#include "common/kernel.h"
#include "conv_blocks.h"

enum ck_conv_path ck_conv_best_path(void) {
    unsigned avx512 = CK_HAS_AVX512 | CK_HAS_AVX512_VNNI | CK_HAS_AVX512_BF16, has = ck_features();
    return (has & avx512) == avx512 ? CK_CONV_AVX512 : has & CK_HAS_AVX2 ? CK_CONV_AVX2 : CK_CONV_PORTABLE;
}

const struct conv_kernels *conv_kernels(enum ck_conv_path path) {
#if defined(__x86_64__)
    if (path == CK_CONV_AVX2) return &conv_kernels_avx2;
    if (path == CK_CONV_AVX512) return &conv_kernels_avx512;
#endif
    return &conv_kernels_portable[ck_copy()];
}
