// SPDX-License-Identifier: GPL-3.0-or-later
// The first convolution of training's evaluation, by the integer arithmetic of packed models.
#pragma once
#include "inference.h"

/// For which a byte x became (x/255 − mean[c])/std[c] in f32.
struct ck_byte_images {
    const float *mean, *std;  // [C]
    size_t count;
};

/// Of one worker's scratch, which ck_byte_conv_forward takes `threads` times.
size_t ck_byte_conv_scratch_bytes(struct ck_byte_unit, enum ck_unit_path);

/// The levels [N, H', W', O] that ck_byte_unit_run makes of the bytes that the normalised images [N, H, W, C] came from.
void ck_byte_conv_forward(const float *images, struct ck_byte_images, const struct ck_byte_unit *, enum ck_unit_path, uint8_t *levels,
                          void *scratch, int threads);
