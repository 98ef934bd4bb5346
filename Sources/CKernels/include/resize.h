// SPDX-License-Identifier: GPL-3.0-or-later
// Antialiased resizing in Pillow's fixed-point arithmetic. The definition as plain loops:
// Sources/Datasets/AntialiasedResize.swift.
//
// Pixels are four bytes: red, green, blue, and one that nobody reads.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// One axis: output i is (Σ_k weights[i·taps + k] · input[first[i] + k] + 2²¹) >> 22, k < count[i], kept within 0 … 255.
struct ck_resize_axis {
    const int32_t *first, *count, *weights;
    size_t taps, outputs;
};

/// The horizontal pass over every row that the vertical pass needs, then the vertical pass, with rounding between them.
/// `pixels` is row 0 of the window, `stride` the bytes from row to row; `output` is [vertical.outputs, horizontal.outputs, 4].
/// `scratch` holds (last row needed − first row needed + 1) · horizontal.outputs · 4 bytes.
void ck_resize_rgbx(const uint8_t *pixels, size_t stride, struct ck_resize_axis horizontal, struct ck_resize_axis vertical,
                    uint8_t *scratch, uint8_t *output);

/// output[y, x, c] = table[256·c + pixels[y, x, c]], c < 3, the columns mirrored if `flip`; f32 [height, width, 3].
void ck_normalize_rgbx(const uint8_t *pixels, size_t height, size_t width, int flip, const float *table, float *output);
