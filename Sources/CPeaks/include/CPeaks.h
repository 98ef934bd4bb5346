// SPDX-License-Identifier: GPL-3.0-or-later
// What the processor can do at most, measured: the roof that a training step is held against.
#pragma once

enum ck_peak_kind {
    CK_PEAK_F32,     ///< f32 fused multiply-adds
    CK_PEAK_BF16,    ///< bf16 × bf16 products added in f32
    CK_PEAK_INT8,    ///< u8 × s8 products added in s32
    CK_PEAK_MEMORY,  ///< bytes of a[i] = b[i] + s·c[i] over arrays far larger than the caches, 12 for each i
};

struct ck_peak {
    /// Multiply-adds (a multiply-add is one, not two) or bytes a second, all workers together; 0 when memory ran out.
    double rate;
    /// 1 when the processor has an instruction for it; 0 when it is put together from others.
    int native;
};

enum { CK_PEAK_MAX_THREADS = 256 };

/// Runs on `threads` workers for about `seconds`. Arithmetic stays in registers (the put-together int8 in the first
/// cache). The operands are ones, so the accumulators themselves count the multiply-adds that were done: a loop that
/// the compiler shortened would count less, not more.
struct ck_peak ck_measure_peak(enum ck_peak_kind kind, double seconds, int threads);
