// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <Random123/philox.h>
#include <stdint.h>

/// One block of Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
static inline void crandom123_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    philox4x32_ctr_t c = {{counter[0], counter[1], counter[2], counter[3]}};
    philox4x32_key_t k = {{key[0], key[1]}};
    philox4x32_ctr_t r = philox4x32(c, k);
    for (int i = 0; i < 4; ++i) out[i] = r.v[i];
}
