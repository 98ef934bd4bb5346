// SPDX-License-Identifier: GPL-3.0-or-later
// Random units of every kind and what they make by the definition in inference.h, as plain loops.
#pragma once
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "inference.h"
#include "numbers.h"

static size_t side_of(size_t side, size_t kernel, size_t stride, size_t padding) { return (side + 2 * padding - kernel) / stride + 1; }

// MARK: A unit and what it makes

enum content { RANDOM, LARGEST, SMALLEST };  // of levels and integer weights, or all at their largest, of one sign

/// Of a convolution unit or, where `first.kernel` or `bytes_unit.kernel` is not 0, of a first unit in f32 or by integers.
struct problem {
    struct ck_unit unit;
    struct ck_first_unit first;
    struct ck_byte_unit bytes_unit;
    int8_t *integer_weights;
    float *weights, *table, *a, *b;  // [O, I, K, K], and the first unit's table
    uint8_t *x;
    void *shortcut;
    int wide;
    size_t height, width, outputs, bytes;  // of y
    uint8_t *y;                            // by the definition
};

static float *floats(size_t count, float scale, float shift) {
    float *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) p[i] = scale * uniform() + shift;
    return p;
}

/// Result `at` of channel o from its sum.
static void finish(const struct problem *p, float sum, size_t at, size_t o) {
    const struct ck_unit *u = &p->unit;
    float t = fmaf(p->a[o], sum, p->b[o]);
    if (p->shortcut) t = fmaf(u->step, p->wide ? ((float *)p->shortcut)[at] : (float)((uint8_t *)p->shortcut)[at], t);
    if (!u->to_levels) {
        ((float *)p->y)[at] = t;
        return;
    }
    float level = fminf(fmaxf(ceilf(t), 0), u->qmax);
    p->y[at] = (uint8_t)level;
}

/// The definition, for both kinds: a convolution's sum is an integer, a first unit's is made of f32 in this order.
static void define(struct problem *p) {
    int is_first = p->first.kernel > 0;
    size_t height = is_first ? p->first.height : p->unit.height, width = is_first ? p->first.width : p->unit.width;
    size_t inputs = is_first ? p->first.input_channels : p->unit.input_channels;
    size_t kernel = is_first ? p->first.kernel : p->unit.kernel, stride = is_first ? p->first.stride : p->unit.stride;
    size_t padding = is_first ? p->first.padding : kernel / 2;
    for (size_t at = 0; at < p->height * p->width * p->outputs; at++) {
        size_t o = at % p->outputs, column = at / p->outputs % p->width, row = at / p->outputs / p->width;
        int32_t sum = 0;
        float first_sum = 0;
        for (size_t r = 0; r < kernel; r++)
            for (size_t s = 0; s < kernel; s++) {
                size_t h = row * stride + r - padding, w = column * stride + s - padding;  // below 0 wraps to a huge number
                if (h >= height || w >= width) continue;
                const uint8_t *x = p->x + (h * width + w) * inputs;
                size_t tap = o * inputs * kernel * kernel + r * kernel + s;
                for (size_t i = 0; i < inputs; i++) {
                    size_t weight = tap + i * kernel * kernel;
                    if (is_first) first_sum = fmaf(p->table[256 * i + x[i]], p->weights[weight], first_sum);
                    else sum += x[i] * p->integer_weights[weight];
                }
            }
        finish(p, is_first ? first_sum : (float)sum, at, o);
    }
}

/// The class of output `at` of a side: its first and its last tap that lie in the image, as one number.
static size_t taps_inside(size_t at, size_t side, size_t kernel, size_t stride, size_t padding) {
    size_t first = kernel, last = 0;
    for (size_t tap = 0; tap < kernel; tap++) {
        if (at * stride + tap < padding || at * stride + tap - padding >= side) continue;
        if (first == kernel) first = tap;
        last = tap + 1;
    }
    return first == kernel ? 0 : first * 256 + last;
}

static size_t as_number(struct ck_taps taps) { return taps.end > taps.begin ? taps.begin * 256 + taps.end : 0; }

/// b of an output: any function of what lies in the image, so that a wrong class shows.
static float border_b(const struct problem *p, size_t rows, size_t columns, size_t o) {
    return p->b[o] + (float)(rows % 251) / 32 - (float)(columns % 241) / 64;
}

/// The definition of a first unit by integers.
static void define_bytes(struct problem *p) {
    const struct ck_byte_unit *u = &p->bytes_unit;
    for (size_t at = 0; at < p->height * p->width * p->outputs; at++) {
        size_t o = at % p->outputs, column = at / p->outputs % p->width, row = at / p->outputs / p->width;
        float t = border_b(
            p, taps_inside(row, u->height, u->kernel, u->stride, u->padding),
            taps_inside(column, u->width, u->kernel, u->stride, u->padding), o);
        for (size_t c = 0; c < u->input_channels; c++) {
            int32_t sum = 0;
            for (size_t r = 0; r < u->kernel; r++)
                for (size_t s = 0; s < u->kernel; s++) {
                    size_t h = row * u->stride + r - u->padding, w = column * u->stride + s - u->padding;
                    if (h >= u->height || w >= u->width) continue;
                    sum += p->x[(h * u->width + w) * u->input_channels + c]
                        * p->integer_weights[((o * u->input_channels + c) * u->kernel + r) * u->kernel + s];
                }
            t = fmaf(p->a[c * p->outputs + o], (float)sum, t);
        }
        p->y[at] = (uint8_t)fminf(fmaxf(ceilf(t), 0), u->qmax);
    }
}

static void finish_problem(struct problem *p) {
    p->bytes = p->height * p->width * p->outputs * (p->unit.to_levels ? 1 : sizeof(float));
    p->y = room(p->bytes);
    (p->bytes_unit.kernel ? define_bytes : define)(p);
}

struct shape {
    size_t height, width, inputs, outputs, kernel, stride;
};

static struct problem convolution(struct shape s, int weight_bits, int level_bits, enum content content) {
    size_t height = s.height, width = s.width, inputs = s.inputs, outputs = s.outputs, kernel = s.kernel, stride = s.stride;
    int qmax = (1 << level_bits) - 1, code = weight_bits == 1 ? 1 : weight_bits == 8 ? 128 : (1 << (weight_bits - 1)) - 1;
    struct problem p = {
        .unit = {.height = height, .width = width, .input_channels = inputs, .output_channels = outputs, .kernel = kernel, .stride = stride,
                 .input_qmax = qmax, .largest_integer_weight = code, .binary = weight_bits == 1, .step = 0.37f,
                 .qmax = (float)((1 << between(1, 8)) - 1), .to_levels = next() % 3 > 0},
        .height = side_of(height, kernel, stride, kernel / 2), .width = side_of(width, kernel, stride, kernel / 2), .outputs = outputs};
    size_t weights = outputs * inputs * kernel * kernel, levels = height * width * inputs, results = p.height * p.width * outputs;
    p.integer_weights = room(weights), p.x = room(levels);
    for (size_t i = 0; i < weights; i++) {
        int weight = content == LARGEST ? code : content == SMALLEST ? -code : (int)between(0, (size_t)(2 * code)) - code;
        if (content == RANDOM && weight_bits == 1) weight = next() & 1 ? 1 : -1;
        p.integer_weights[i] = (int8_t)(weight > 127 ? 127 : weight);
    }
    for (size_t i = 0; i < levels; i++) p.x[i] = (uint8_t)(content == RANDOM ? (int)between(0, (size_t)qmax) : qmax);
    p.a = floats(outputs, (content == RANDOM ? 8.f : 0.01f) / (float)(qmax * code), 0), p.b = floats(outputs, 8, 8);
    p.wide = (int)between(0, 2) - 1;  // −1: no shortcut
    if (p.wide == 1) p.shortcut = floats(results, 8, 0);
    if (p.wide == 0) {
        p.shortcut = room(results);
        for (size_t i = 0; i < results; i++) ((uint8_t *)p.shortcut)[i] = (uint8_t)next();
    }
    finish_problem(&p);
    return p;
}

static struct problem first_unit(void) {
    size_t kernel = between(1, 7), stride = between(1, 3), padding = between(0, kernel / 2);
    size_t channels = between(1, 4), outputs = 16 * between(1, 3);
    size_t height = between(kernel, kernel + 8), width = between(kernel, kernel + 20);
    struct problem p = {
        .unit = {.qmax = 15, .to_levels = 1}, .wide = -1, .outputs = outputs,
        .first = {.height = height, .width = width, .input_channels = channels, .output_channels = outputs, .kernel = kernel,
                  .stride = stride, .padding = padding, .qmax = 15},
        .height = side_of(height, kernel, stride, padding), .width = side_of(width, kernel, stride, padding)};
    p.weights = floats(outputs * channels * kernel * kernel, 1, 0), p.table = floats(256 * channels, 2, 0);
    p.a = floats(outputs, 2, 0), p.b = floats(outputs, 8, 8);
    p.x = room(height * width * channels);
    for (size_t i = 0; i < height * width * channels; i++) p.x[i] = (uint8_t)next();
    finish_problem(&p);
    return p;
}

static struct problem byte_unit(int weight_bits, enum content content) {
    size_t kernel = between(1, 11), stride = between(1, 4), padding = between(0, kernel / 2);
    size_t channels = between(1, 4), outputs = 16 * between(1, 3);
    size_t lowest = kernel > 2 * padding ? kernel - 2 * padding : 1;
    size_t height = between(lowest, lowest + 12), width = between(lowest, lowest + 24);
    int code = weight_bits == 1 ? 1 : (1 << (weight_bits - 1)) - 1;
    struct problem p = {
        .unit = {.qmax = 15, .to_levels = 1}, .wide = -1, .outputs = outputs,
        .bytes_unit = {.height = height, .width = width, .input_channels = channels, .output_channels = outputs, .kernel = kernel,
                       .stride = stride, .padding = padding, .largest_integer_weight = code, .qmax = (float)((1 << between(1, 8)) - 1)},
        .height = side_of(height, kernel, stride, padding), .width = side_of(width, kernel, stride, padding)};
    size_t weights = outputs * channels * kernel * kernel, pixels = height * width * channels;
    p.integer_weights = room(weights), p.x = room(pixels);
    for (size_t i = 0; i < weights; i++) {
        int weight = content == LARGEST ? code : content == SMALLEST ? -code : (int)between(0, (size_t)(2 * code)) - code;
        p.integer_weights[i] = (int8_t)(content == RANDOM && weight_bits == 1 ? (next() & 1 ? 1 : -1) : weight);
    }
    for (size_t i = 0; i < pixels; i++) p.x[i] = (uint8_t)(content == RANDOM ? next() : 255);
    p.a = floats(channels * outputs, (content == RANDOM ? 16.f : 0.1f) / (float)(255 * code * (int)kernel), 0);
    p.b = floats(outputs, 8, 8);
    finish_problem(&p);
    return p;
}

static void end(struct problem *p) {
    void *rooms[] = {p->integer_weights, p->weights, p->table, p->a, p->b, p->x, p->shortcut, p->y};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) free(rooms[i]);
}
