// SPDX-License-Identifier: GPL-3.0-or-later
// The layers of integer inference that are no convolutions: pooling, shortcuts' subsampling, and the classifier.
#include <math.h>
#include <string.h>
#include "common/kernel.h"
#include "inference.h"

CK_KERNEL(void, window_row, (struct ck_level_window s, const uint8_t *x, uint8_t *y, size_t row, size_t width),
          (s, x, y, row, width)) {
    for (size_t column = 0; column < width; column++, y += s.channels) {
        memset(y, 0, s.channels);
        for (size_t r = 0; r < s.window; r++) {
            size_t h = row * s.stride + r - s.padding;  // below 0 wraps to a huge number
            if (h >= s.height) continue;
            for (size_t c = 0; c < s.window; c++) {
                size_t w = column * s.stride + c - s.padding;
                if (w >= s.width) continue;
                const uint8_t *from = x + (h * s.width + w) * s.channels;
                for (size_t i = 0; i < s.channels; i++) y[i] = from[i] > y[i] ? from[i] : y[i];
            }
        }
    }
}

void ck_level_window_max(struct ck_level_window s, const uint8_t *x, uint8_t *y, size_t begin, size_t end) {
    size_t width = (s.width + 2 * s.padding - s.window) / s.stride + 1;
    enum ck_copy copy = ck_copy();
    for (size_t row = begin; row < end; row++) window_row[copy](s, x, y + row * width * s.channels, row, width);
}

void ck_level_subsample(struct ck_level_subsampling s, const uint8_t *x, uint8_t *y, size_t begin, size_t end) {
    size_t channels = s.channels + 2 * s.padding;
    for (size_t row = begin; row < end; row++)
        for (size_t column = 0; column < s.output_width; column++) {
            uint8_t *to = y + (row * s.output_width + column) * channels;
            memset(to, 0, channels);
            memcpy(to + s.padding, x + (row * s.stride * s.width + column * s.stride) * s.channels, s.channels);
        }
}

CK_KERNEL(void, level_sums, (const uint8_t *x, size_t pixels, size_t channels, int32_t *sums), (x, pixels, channels, sums)) {
    memset(sums, 0, channels * sizeof *sums);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < channels; c++) sums[c] += x[i * channels + c];
}

void ck_level_sums(const uint8_t *x, size_t pixels, size_t channels, int32_t *sums) {
    level_sums[ck_copy()](x, pixels, channels, sums);
}

CK_KERNEL(void, integer_scores, (const int32_t *sums, const int8_t *integer_weights, size_t inputs, size_t outputs, const float *scale,
                                 const float *bias, int32_t *room, float *scores),
          (sums, integer_weights, inputs, outputs, scale, bias, room, scores)) {
    memset(room, 0, outputs * sizeof *room);
    for (size_t k = 0; k < inputs; k++)
        for (size_t o = 0; o < outputs; o++) room[o] += sums[k] * integer_weights[k * outputs + o];
    for (size_t o = 0; o < outputs; o++) scores[o] = fmaf(scale[o], (float)room[o], bias[o]);
}

void ck_integer_scores(const int32_t *sums, const int8_t *integer_weights, size_t inputs, size_t outputs, const float *scale,
                       const float *bias, int32_t *room, float *scores) {
    integer_scores[ck_copy()](sums, integer_weights, inputs, outputs, scale, bias, room, scores);
}

CK_KERNEL(void, float_scores, (const int32_t *sums, float unit, const float *weights, size_t inputs, size_t outputs,
                               const float *bias, float *scores),
          (sums, unit, weights, inputs, outputs, bias, scores)) {
    memcpy(scores, bias, outputs * sizeof *scores);
    for (size_t k = 0; k < inputs; k++) {
        float x = unit * (float)sums[k];
        for (size_t o = 0; o < outputs; o++) scores[o] = fmaf(x, weights[k * outputs + o], scores[o]);
    }
}

void ck_float_scores(const int32_t *sums, float unit, const float *weights, size_t inputs, size_t outputs, const float *bias,
                     float *scores) {
    float_scores[ck_copy()](sums, unit, weights, inputs, outputs, bias, scores);
}
