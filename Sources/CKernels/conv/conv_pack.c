// SPDX-License-Identifier: GPL-3.0-or-later
// Packs integer weights or float weights [O, I, K, K] as conv_blocks.h describes, once a step.
#include <string.h>
#include "common/bf16.h"
#include "conv_blocks.h"
#include "common/kernel.h"
#include "parallel.h"

struct packing {
    const int8_t *integer_weights;
    const float *weights;  // where there are no integer weights
    float factor;
    int words;  // backward: integers of 16 bits, else bf16
    struct ck_conv shape;
    void *forward;
    uint16_t *backward;
    enum ck_copy copy;
};

static size_t integer_weight_count(struct ck_conv c) { return c.output_channels * c.input_channels * c.kernel * c.kernel; }
size_t ck_conv_packed_forward_bytes(struct ck_conv c) { return integer_weight_count(c); }
size_t ck_conv_packed_backward_bytes(struct ck_conv c) { return integer_weight_count(c) * sizeof(uint16_t); }

/// One block of 16 outputs: [r][s][I/4][16 outputs][4 inputs].
CK_INLINE void pack_forward(const struct packing *p, size_t block, size_t taps) {
    size_t inputs = p->shape.input_channels;
    const int8_t *from = p->integer_weights + block * BLOCK_CHANNELS * inputs * taps;
    int8_t *to = (int8_t *)p->forward + block * BLOCK_CHANNELS * inputs * taps;
    for (size_t i = 0; i < inputs; i += LEVEL_GROUP)
        for (size_t o = 0; o < BLOCK_CHANNELS; o++) {
            const uint8_t *q = (const uint8_t *)from + (o * inputs + i) * taps;
            uint32_t *word = (uint32_t *)(to + i * BLOCK_CHANNELS + o * LEVEL_GROUP);
            for (size_t tap = 0; tap < taps; tap++)
                word[tap * inputs * (BLOCK_CHANNELS / LEVEL_GROUP)] =
                    q[tap] | q[taps + tap] << 8 | q[2 * taps + tap] << 16 | (uint32_t)q[3 * taps + tap] << 24;
        }
}

/// Weight `at` in bf16: an integer of 8 bits is exact, a float is rounded.
CK_INLINE uint32_t bf16_weight(const struct packing *p, int integer_weights, size_t at) {
    return bf16_from_float(integer_weights ? (float)p->integer_weights[at] : p->factor * p->weights[at]);
}

/// One block of 16 outputs in bf16: [r][s][I/2][16 outputs][2 inputs].
CK_INLINE void pack_forward_bf16(const struct packing *p, size_t block, size_t taps) {
    size_t inputs = p->shape.input_channels, first = block * BLOCK_CHANNELS * inputs * taps;
    uint32_t *to = (uint32_t *)p->forward + first / PAIR;
    for (size_t i = 0; i < inputs; i += PAIR)
        for (size_t o = 0; o < BLOCK_CHANNELS; o++) {
            size_t at = first + (o * inputs + i) * taps;
            uint32_t *word = to + i * (BLOCK_CHANNELS / PAIR) + o, values[PAIR * 9];
            for (size_t j = 0; j < PAIR * taps; j++) values[j] = bf16_weight(p, 0, at + j);
            for (size_t tap = 0; tap < taps; tap++)
                word[tap * inputs * (BLOCK_CHANNELS / PAIR)] = values[tap] | values[taps + tap] << 16;
        }
}

/// order[j] = the kernel row or column in packed place j: those of one phase together, falling.
static void backward_order(size_t kernel, size_t stride, size_t order[3]) {
    size_t place = 0;
    for (size_t phase = 0; phase < stride; phase++)
        for (size_t tap = kernel; tap-- > 0;)
            if (tap % stride == phase) order[place++] = tap;
}

enum packed { WORDS, INTEGERS_BF16, FLOATS_BF16 };
CK_INLINE uint32_t backward_weight(const struct packing *p, enum packed kind, size_t at) {
    return kind == WORDS ? (uint16_t)p->integer_weights[at] : bf16_weight(p, kind == INTEGERS_BF16, at);
}

/// One block of 16 inputs: [r][s][O/2][16 inputs][2 outputs], rows and columns in `backward_order`.
CK_INLINE void pack_backward(const struct packing *p, enum packed kind, size_t block, size_t kernel) {
    size_t taps = kernel * kernel, row = p->shape.input_channels * taps, outputs = p->shape.output_channels, order[3];
    backward_order(kernel, p->shape.stride, order);
    uint16_t *to = p->backward + block * BLOCK_CHANNELS * outputs * taps;
    for (size_t o = 0; o < outputs; o += PAIR) {
        size_t first = block * BLOCK_CHANNELS * taps + o * row, second = first + row;
        uint32_t pairs[BLOCK_CHANNELS * 9];
        for (size_t j = 0; j < BLOCK_CHANNELS * taps; j++)
            pairs[j] = backward_weight(p, kind, first + j) | backward_weight(p, kind, second + j) << 16;
        for (size_t r = 0; r < kernel; r++)
            for (size_t s = 0; s < kernel; s++) {
                size_t tap = order[r] * kernel + order[s];
                uint32_t *word = (uint32_t *)(to + ((r * kernel + s) * outputs + o) * BLOCK_CHANNELS);
                for (size_t i = 0; i < BLOCK_CHANNELS; i++) word[i] = pairs[i * taps + tap];
            }
    }
}

// The sizes are constants at each call, so the loops over taps unroll.
CK_KERNEL(void, pack_forward_block, (const struct packing *p, size_t block), (p, block)) {
    int three = p->shape.kernel == 3;
    if (p->integer_weights) return three ? pack_forward(p, block, 9) : pack_forward(p, block, 1);
    return three ? pack_forward_bf16(p, block, 9) : pack_forward_bf16(p, block, 1);
}
CK_KERNEL(void, pack_backward_block, (const struct packing *p, size_t block), (p, block)) {
    int three = p->shape.kernel == 3;
    if (p->words) return three ? pack_backward(p, WORDS, block, 3) : pack_backward(p, WORDS, block, 1);
    if (p->integer_weights) return three ? pack_backward(p, INTEGERS_BF16, block, 3) : pack_backward(p, INTEGERS_BF16, block, 1);
    return three ? pack_backward(p, FLOATS_BF16, block, 3) : pack_backward(p, FLOATS_BF16, block, 1);
}

static void run_worker(void *context, int worker, int workers) {
    const struct packing *p = context;
    size_t begin, end;
    ck_share(p->shape.output_channels / BLOCK_CHANNELS, worker, workers, &begin, &end);
    for (size_t block = begin; p->forward && block < end; block++) pack_forward_block[p->copy](p, block);
    ck_share(p->shape.input_channels / BLOCK_CHANNELS, worker, workers, &begin, &end);
    for (size_t block = begin; p->backward && block < end; block++) pack_backward_block[p->copy](p, block);
}

void ck_conv_pack(const int8_t *integer_weights, struct ck_conv c, void *forward, void *backward, enum ck_conv_gradients gradients,
                  int threads) {
    struct packing packing = {.integer_weights = integer_weights, .words = gradients == CK_GRADIENTS_S16, .shape = c,
                              .forward = forward, .backward = backward, .copy = ck_copy()};
    ck_parallel(threads, run_worker, &packing);
}

void ck_conv_pack_bf16(const float *weights, float factor, struct ck_conv c, void *forward, void *backward, int threads) {
    struct packing packing = {.weights = weights, .factor = factor, .shape = c, .forward = forward, .backward = backward,
            .copy = ck_copy()};
    ck_parallel(threads, run_worker, &packing);
}
