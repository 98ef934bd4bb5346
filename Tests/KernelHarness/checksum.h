// SPDX-License-Identifier: GPL-3.0-or-later
// A checksum of results, and what kernels of training work on: random maps, weights and gradients.
#pragma once
#include "CKernels.h"
#include "numbers.h"

static uint64_t checksum;

/// FNV-1a (Fowler, Noll, Vo), 64 bits; frees `p`.
static void result(void *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) checksum = (checksum ^ ((uint8_t *)p)[i]) * 0x100000001b3;
    free(p);
}
static void result_number(double x) { result(memcpy(room(sizeof x), &x, sizeof x), sizeof x); }

/// Normal only in that large ones are rare: the bits of what is added up differ in their exponents.
static float heavy(void) {
    float x = uniform();
    return x * x * x * 4;
}
static float *numbers(size_t count, float scale) {
    float *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) p[i] = scale * heavy();
    return p;
}
static uint16_t *bf16(size_t count, float scale) {
    float *x = numbers(count, scale);
    uint16_t *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, 4);
        p[i] = (uint16_t)(bits >> 16);
    }
    free(x);
    return p;
}
static uint8_t *levels(size_t count, int top) {
    uint8_t *p = room(count);
    for (size_t i = 0; i < count; i++) p[i] = (uint8_t)between(0, (size_t)top);
    return p;
}
static int8_t *integer_weights(size_t count, int largest) {
    int8_t *p = room(count);
    for (size_t i = 0; i < count; i++) {
        if (largest == 1) p[i] = next() & 1 ? 1 : -1;
        else p[i] = (int8_t)((int)between(0, 2 * (size_t)largest) - largest);
    }
    return p;
}
static int16_t *words(size_t count, int largest) {
    int16_t *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) p[i] = (int16_t)((int)between(0, 2 * (size_t)largest) - largest);
    return p;
}

/// A convolution's results.
static void *accumulators(enum ck_number type, size_t count) {
    if (type == CK_S16) return words(count, 3000);
    if (type == CK_BF16) return bf16(count, 30);
    if (type == CK_F32) return numbers(count, 30);
    int32_t *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) p[i] = (int32_t)between(0, 200000) - 100000;
    return p;
}
