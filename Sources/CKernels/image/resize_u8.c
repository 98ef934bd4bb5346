// SPDX-License-Identifier: GPL-3.0-or-later
#include "resize.h"
#include <string.h>
#include "common/kernel.h"

typedef int32_t lanes __attribute__((vector_size(16)));
typedef uint8_t pixel __attribute__((vector_size(4)));
enum { fraction = 22 };

CK_INLINE lanes load(const uint8_t *p) {
    pixel bytes;
    memcpy(&bytes, p, 4);
    return __builtin_convertvector(bytes, lanes);
}

// One pixel is a vector of four channels.
CK_KERNEL(void, resize_row, (const uint8_t *row, struct ck_resize_axis axis, uint8_t *output), (row, axis, output)) {
    for (size_t i = 0; i < axis.outputs; ++i) {
        const uint8_t *x = row + 4 * (size_t)axis.first[i];
        const int32_t *w = axis.weights + i * axis.taps;
        lanes sum = (lanes){} + (1 << (fraction - 1));
        for (int32_t k = 0; k < axis.count[i]; ++k) sum += load(x + 4 * k) * w[k];
        sum >>= fraction;
        // Weights are not negative, so the sums aren't either.
        lanes over = sum > 255;
        sum = (sum & ~over) | (over & 255);
        pixel bytes = __builtin_convertvector(sum, pixel);
        memcpy(output + 4 * i, &bytes, 4);
    }
}

// Bytes of a row do not interact, so that the compiler may take as many as it likes; blocks keep the sums in registers.
CK_KERNEL(void, combine_rows, (const uint8_t *rows, size_t width, const int32_t *weights, int32_t count, uint8_t *output),
          (rows, width, weights, count, output)) {
    enum { block = 64 };
    for (size_t begin = 0; begin < width; begin += block) {
        size_t n = width - begin < block ? width - begin : block;
        int32_t sum[block];
        for (size_t i = 0; i < n; ++i) sum[i] = 1 << (fraction - 1);
        for (int32_t k = 0; k < count; ++k) {
            const uint8_t *x = rows + (size_t)k * width + begin;
            for (size_t i = 0; i < n; ++i) sum[i] += weights[k] * x[i];
        }
        for (size_t i = 0; i < n; ++i) {
            int32_t value = sum[i] >> fraction;
            output[begin + i] = (uint8_t)(value > 255 ? 255 : value);
        }
    }
}

void ck_resize_rgbx(const uint8_t *pixels, size_t stride, struct ck_resize_axis horizontal, struct ck_resize_axis vertical,
                    uint8_t *scratch, uint8_t *output) {
    if (vertical.outputs == 0) return;
    enum ck_copy copy = ck_copy();
    size_t last = vertical.outputs - 1, width = 4 * horizontal.outputs;
    size_t begin = (size_t)vertical.first[0], end = (size_t)(vertical.first[last] + vertical.count[last]);
    for (size_t row = begin; row < end; ++row)
        resize_row[copy](pixels + row * stride, horizontal, scratch + (row - begin) * width);
    for (size_t i = 0; i <= last; ++i)
        combine_rows[copy](scratch + ((size_t)vertical.first[i] - begin) * width, width, vertical.weights + i * vertical.taps,
                           vertical.count[i], output + i * width);
}

void ck_normalize_rgbx(const uint8_t *pixels, size_t height, size_t width, int flip, const float *table, float *output) {
    for (size_t y = 0; y < height; ++y) {
        const uint8_t *x = pixels + 4 * y * width;
        float *row = output + 3 * y * width;
        for (size_t i = 0; i < width; ++i) {
            float *to = row + 3 * (flip ? width - 1 - i : i);
            for (size_t c = 0; c < 3; ++c) to[c] = table[256 * c + x[4 * i + c]];
        }
    }
}
