// SPDX-License-Identifier: GPL-3.0-or-later
// Sums whose rounding is the same everywhere.
//
// Kernels are scalar functions forced into the loops of a `CK_KERNEL`, which clang vectorises for each instruction set. A
// sum keeps LANES running sums (element i goes to lane i mod LANES) over blocks whose length depends on `count` alone; the
// blocks are added in order. So a sum depends on neither the thread count nor the vector width.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "kernel.h"
#include "parallel.h"

enum { LANES = 16, MAX_BLOCKS = 256, MIN_BLOCK = 16384 };

/// Before the loop over the lanes: one vector body instead of LANES scalar ones, whose elements may be updated in place.
#define CK_LANES _Pragma("clang loop unroll(disable) vectorize_width(16) vectorize(assume_safety)")

CK_INLINE size_t block_length(size_t count) {
    size_t even = (count + MAX_BLOCKS - 1) / MAX_BLOCKS;
    return even <= MIN_BLOCK ? MIN_BLOCK : (even + LANES - 1) / LANES * LANES;
}
CK_INLINE size_t block_count(size_t count) { return (count + block_length(count) - 1) / block_length(count); }

CK_INLINE double ordered_sum(const double *terms, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += terms[i];
    return sum;
}

/// The whole blocks of `worker`: elements [*begin, *end), the first of them in block *first.
CK_INLINE void share_of_blocks(size_t count, int worker, int workers, size_t *first, size_t *begin, size_t *end) {
    size_t last, length = block_length(count);
    ck_share(block_count(count), worker, workers, first, &last);
    *begin = *first * length;
    *end = last * length < count ? last * length : count;
}

/// A parallel region costs more than it saves on a block or two.
CK_INLINE int useful_threads(size_t count, int threads) { return count <= 2 * MIN_BLOCK ? 1 : threads; }
