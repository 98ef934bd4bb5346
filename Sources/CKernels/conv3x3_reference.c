// SPDX-License-Identifier: GPL-3.0-or-later
// The convolution and its gradients as their definitions read, in conv3x3.h's letters.
#include <string.h>
#include "bf16.h"
#include "conv3x3.h"

/// Calls `term(n, h, w, o, i, r, s)` for each product of the definition: the input's offset `at_x`, the output's
/// `at_y` and the weight's `at_q`.
#define FOR_EACH_TERM(shape, term)                                                                                       \
    do {                                                                                                                 \
        const struct ck_conv c = shape;                                                                                  \
        size_t rows = ck_conv_output_side(c.height, c.stride), columns = ck_conv_output_side(c.width, c.stride);         \
        for (size_t n = 0; n < c.images; n++)                                                                            \
        for (size_t h = 0; h < rows; h++)                                                                                \
        for (size_t w = 0; w < columns; w++)                                                                             \
        for (size_t o = 0; o < c.output_channels; o++)                                                                   \
        for (size_t i = 0; i < c.input_channels; i++)                                                                    \
        for (size_t r = 0; r < c.kernel; r++)                                                                            \
        for (size_t s = 0; s < c.kernel; s++) {                                                                          \
            size_t from_h = h * c.stride + r - c.kernel / 2, from_w = w * c.stride + s - c.kernel / 2;                   \
            if (from_h >= c.height || from_w >= c.width) continue; /* −1 wraps to a large number */                      \
            size_t at_x = ((n * c.height + from_h) * c.width + from_w) * c.input_channels + i;                           \
            size_t at_y = ((n * rows + h) * columns + w) * c.output_channels + o;                                        \
            size_t at_q = ((o * c.input_channels + i) * c.kernel + r) * c.kernel + s;                                    \
            term;                                                                                                        \
        }                                                                                                                \
    } while (0)

static size_t input_count(struct ck_conv c) { return c.images * c.height * c.width * c.input_channels; }
static size_t output_count(struct ck_conv c) {
    return c.images * ck_conv_output_side(c.height, c.stride) * ck_conv_output_side(c.width, c.stride) * c.output_channels;
}

void ck_conv_forward_reference(const uint8_t *x, const int8_t *codes, int32_t *y, struct ck_conv shape) {
    memset(y, 0, output_count(shape) * sizeof *y);
    FOR_EACH_TERM(shape, y[at_y] += (int32_t)x[at_x] * codes[at_q]);
}

void ck_conv_input_gradient_reference(const uint16_t *dy, const int8_t *codes, double *dx, struct ck_conv shape) {
    memset(dx, 0, input_count(shape) * sizeof *dx);
    FOR_EACH_TERM(shape, dx[at_x] += (double)bf16_to_float(dy[at_y]) * codes[at_q]);
}

void ck_conv_weight_gradient_reference(const uint8_t *x, const uint16_t *dy, double *dq, struct ck_conv shape) {
    memset(dq, 0, shape.output_channels * shape.input_channels * shape.kernel * shape.kernel * sizeof *dq);
    FOR_EACH_TERM(shape, dq[at_q] += (double)bf16_to_float(dy[at_y]) * x[at_x]);
}
