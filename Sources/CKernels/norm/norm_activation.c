// SPDX-License-Identifier: GPL-3.0-or-later
#include "norm_activation.h"
#include "common/bf16.h"
#include "common/kernel.h"
#include "common/vectors.h"
#include "parallel.h"

// The bits of every result are the same on every processor: each multiply-add that is fused is written as one.
#pragma clang fp contract(off)

enum { BLOCK = 64 };

CK_INLINE f32v load(const void *numbers, enum ck_number type, size_t at) {
    switch (type) {
    case CK_U8: return __builtin_convertvector(LOAD(u8v, (const uint8_t *)numbers + at), f32v);
    case CK_S16: return __builtin_convertvector(LOAD(s16v, (const int16_t *)numbers + at), f32v);
    case CK_S32: return __builtin_convertvector(LOAD(s32v, (const int32_t *)numbers + at), f32v);
    case CK_BF16: return from_bf16(LOAD(u16v, (const uint16_t *)numbers + at));
    default: return LOAD(f32v, (const float *)numbers + at);
    }
}

static float number(const void *numbers, enum ck_number type, size_t at) {
    switch (type) {
    case CK_U8: return ((const uint8_t *)numbers)[at];
    case CK_S16: return ((const int16_t *)numbers)[at];
    case CK_S32: return (float)((const int32_t *)numbers)[at];
    case CK_BF16: return bf16_to_float(((const uint16_t *)numbers)[at]);
    default: return ((const float *)numbers)[at];
    }
}

// t of sixteen channels. `acc` is a constant at each call, the shortcut's type is not: a branch that never changes.
CK_INLINE f32v sum(struct ck_norm_activation m, enum ck_number acc, size_t at, size_t c) {
    f32v t = fused(LOAD(f32v, m.a + c), load(m.acc, acc, at), LOAD(f32v, m.b + c)), step = (f32v){0} + m.step;
    if (!m.shortcut) return t;
    if (m.shortcut_type == CK_U8) return fused(step, load(m.shortcut, CK_U8, at), t);
    return fused(step, m.shortcut_type == CK_BF16 ? load(m.shortcut, CK_BF16, at) : load(m.shortcut, CK_F32, at), t);
}

// Calls `body` with the type of acc as a constant.
#define WITH_ACC(type, body, ...)                         \
    switch (type) {                                       \
    case CK_S16: body(__VA_ARGS__, CK_S16); break;        \
    case CK_S32: body(__VA_ARGS__, CK_S32); break;        \
    case CK_BF16: body(__VA_ARGS__, CK_BF16); break;      \
    default: body(__VA_ARGS__, CK_F32);                   \
    }

struct job {
    struct ck_norm_activation m;
    void *result;
    enum ck_number result_type;
    uint16_t *gradient;
    const uint16_t *other;
    const float *mean, *p, *q, *r;
    struct ck_coarse_derivatives d;
    double *scratch;
    int parts;
    float factor;
};

// A part's rows and its n sums, zero at first.
static double *part_of(const struct job *j, int part, size_t n, size_t *begin, size_t *end) {
    ck_share(j->m.rows, part, j->parts, begin, end);
    double *sums = j->scratch + (size_t)part * n;
    for (size_t i = 0; i < n; ++i) sums[i] = 0;
    return sums;
}

// Adds n numbers of each part, in their order, into the first one's.
static void collect(double *scratch, size_t n, int parts) {
    for (int part = 1; part < parts; ++part)
        for (size_t i = 0; i < n; ++i) scratch[i] += scratch[(size_t)part * n + i];
}

CK_INLINE void add_to(double *sums, f32v terms) { STORE(sums, LOAD(f64v, sums) + __builtin_convertvector(terms, f64v)); }

// MARK: Statistics

CK_INLINE void statistics_rows(const struct job *j, size_t begin, size_t end, double *sums, enum ck_number acc) {
    size_t channels = j->m.channels;
    for (size_t row = begin; row < end; row += BLOCK)
        for (size_t c = 0; c < channels; c += W) {
            // Shifted by the first row's values, so that a mean far from 0 costs no digits.
            f32v s1 = {0}, s2 = {0}, shift = load(j->m.acc, acc, c);
            for (size_t i = row; i < end && i < row + BLOCK; ++i) {
                f32v x = load(j->m.acc, acc, i * channels + c) - shift;
                s1 += x;
                s2 = fused(x, x, s2);
            }
            add_to(sums + c, s1);
            add_to(sums + channels + c, s2);
        }
}

CK_WORKER(statistics) {
    const struct job *j = context;
    for (int part = worker; part < j->parts; part += workers) {
        size_t begin, end;
        double *sums = part_of(j, part, 2 * j->m.channels, &begin, &end);
        WITH_ACC(j->m.acc_type, statistics_rows, j, begin, end, sums)
    }
}

void ck_acc_statistics(const void *acc, enum ck_number type, size_t rows, size_t channels, double *mean, double *variance,
                       double *scratch, int parts, int threads) {
    struct job j = {.m = {.acc = acc, .acc_type = type, .rows = rows, .channels = channels}, .scratch = scratch, .parts = parts};
    ck_parallel(threads, statistics[ck_copy()], &j);
    collect(scratch, 2 * channels, parts);
    for (size_t c = 0; c < channels; ++c) {
        double m = scratch[c] / (double)rows, v = scratch[channels + c] / (double)rows - m * m;
        mean[c] = (double)number(acc, type, c) + m;
        variance[c] = v > 0 ? v : 0;
    }
}

// MARK: Calibration

float ck_norm_activation_maximum(struct ck_norm_activation m) {
    float most = 0;
    for (size_t i = 0; i < m.rows; ++i)
        for (size_t c = 0; c < m.channels; ++c) {
            size_t at = i * m.channels + c;
            float t = m.a[c] * number(m.acc, m.acc_type, at) + m.b[c];  // two roundings, as it always had
            if (m.shortcut) t += m.step * number(m.shortcut, m.shortcut_type, at);
            most = t > most ? t : most;
        }
    return most;
}

// MARK: Forward

CK_INLINE void forward_rows(const struct job *j, size_t begin, size_t end, enum ck_activation activation, enum ck_number result,
                         enum ck_number acc) {
    const struct ck_norm_activation m = j->m;
    f32v zero = {0}, qmax = zero + m.qmax;
    for (size_t i = begin; i < end; ++i)
        for (size_t c = 0; c < m.channels; c += W) {
            size_t at = i * m.channels + c;
            f32v y = sum(m, acc, at, c);
            // Written so that a NaN passes, and divergence shows (a level cannot be NaN: there it becomes 0).
            if (activation == CK_QUANTIZED_RELU) y = __builtin_elementwise_ceil(y);
            if (activation != CK_IDENTITY) y = choose(y <= 0, zero, y);
            if (activation == CK_QUANTIZED_RELU) y = choose(y > qmax, qmax, y);
            if (result == CK_F32) STORE((float *)j->result + at, y);
            else if (result == CK_BF16) STORE((uint16_t *)j->result + at, to_bf16(y));
            else STORE((uint8_t *)j->result + at, __builtin_convertvector(__builtin_convertvector(choose(y > 0, y, zero), s32v), u8v));
        }
}

CK_WORKER(forward) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->m.rows, worker, workers, &begin, &end);
    if (j->result_type == CK_U8) WITH_ACC(j->m.acc_type, forward_rows, j, begin, end, CK_QUANTIZED_RELU, CK_U8)
    else if (j->result_type == CK_F32) WITH_ACC(j->m.acc_type, forward_rows, j, begin, end, CK_IDENTITY, CK_F32)
    else if (j->m.activation == CK_QUANTIZED_RELU) WITH_ACC(j->m.acc_type, forward_rows, j, begin, end, CK_QUANTIZED_RELU, CK_BF16)
    else if (j->m.activation == CK_RELU) WITH_ACC(j->m.acc_type, forward_rows, j, begin, end, CK_RELU, CK_BF16)
    else WITH_ACC(j->m.acc_type, forward_rows, j, begin, end, CK_IDENTITY, CK_BF16)
}

void ck_norm_activation_forward(struct ck_norm_activation map, void *result, enum ck_number type, int threads) {
    struct job j = {.m = map, .result = result, .result_type = type};
    ck_parallel(threads, forward[ck_copy()], &j);
}

// MARK: Backward

CK_INLINE void sums_rows(const struct job *j, size_t begin, size_t end, double *sums, enum ck_activation activation,
                      enum ck_number acc) {
    const struct ck_norm_activation m = j->m;
    size_t channels = m.channels;
    f32v qmax = (f32v){0} + m.qmax, one = (f32v){0} + 1, inside = (f32v){0} + j->d.inside, zero = {0};
    f64v alpha = {0};
    for (size_t row = begin; row < end; row += BLOCK)
        for (size_t c = 0; c < channels; c += W) {
            f32v s1 = {0}, s2 = {0}, s3 = {0}, mean = LOAD(f32v, j->mean + c);
            for (size_t i = row; i < end && i < row + BLOCK; ++i) {
                size_t at = i * channels + c;
                f32v g = from_bf16(LOAD(u16v, j->gradient + at));
                if (j->other) g += from_bf16(LOAD(u16v, j->other + at));
                s32v pass = (s32v){0} - 1;
                if (activation != CK_IDENTITY) {
                    f32v t = sum(m, acc, at, c);
                    s32v positive = t > 0, saturated = t > qmax;
                    if (activation == CK_QUANTIZED_RELU) {
                        f32v k = __builtin_elementwise_ceil(t);
                        k = choose(k < one, one, k);
                        f32v slope = choose(saturated, qmax, j->d.exact ? k : inside);
                        s3 = fused(g, choose(positive, slope, zero), s3);
                    }
                    if (activation == CK_RELU || j->d.relu) pass &= positive;
                    if (activation == CK_QUANTIZED_RELU && j->d.clip) pass &= ~saturated;
                }
                // What the second pass and the shortcut will read is the rounded dz: sum that.
                u16v stored = to_bf16(choose(pass, g, zero));
                STORE(j->gradient + at, stored);
                f32v dz = from_bf16(stored);
                s1 += dz;
                s2 = fused(dz, load(m.acc, acc, at) - mean, s2);
            }
            add_to(sums + c, s1);
            add_to(sums + channels + c, s2);
            alpha += __builtin_convertvector(s3, f64v);
        }
    for (int i = 0; i < W; ++i) sums[2 * channels] += alpha[i];
}

CK_WORKER(backward_sums) {
    const struct job *j = context;
    for (int part = worker; part < j->parts; part += workers) {
        size_t begin, end;
        double *sums = part_of(j, part, 2 * j->m.channels + 1, &begin, &end);
        if (j->m.activation == CK_QUANTIZED_RELU) WITH_ACC(j->m.acc_type, sums_rows, j, begin, end, sums, CK_QUANTIZED_RELU)
        else if (j->m.activation == CK_RELU) WITH_ACC(j->m.acc_type, sums_rows, j, begin, end, sums, CK_RELU)
        else WITH_ACC(j->m.acc_type, sums_rows, j, begin, end, sums, CK_IDENTITY)
    }
}

double ck_norm_activation_backward_sums(struct ck_norm_activation map, uint16_t *gradient, const uint16_t *other,
                                        const float *mean, struct ck_coarse_derivatives derivatives, double *sum, double *dot,
                                        double *scratch, int parts, int threads) {
    struct job j = {.m = map, .gradient = gradient, .other = other, .mean = mean, .d = derivatives, .scratch = scratch, .parts = parts};
    ck_parallel(threads, backward_sums[ck_copy()], &j);
    collect(scratch, 2 * map.channels + 1, parts);
    __builtin_memcpy(sum, scratch, map.channels * sizeof *sum);
    __builtin_memcpy(dot, scratch + map.channels, map.channels * sizeof *dot);
    return scratch[2 * map.channels];
}

// p·dz + q·acc + r of sixteen channels.
CK_INLINE f32v input_gradient(const struct job *j, enum ck_number acc, size_t at, size_t c) {
    f32v dz = from_bf16(LOAD(u16v, j->other + at));
    return fused(LOAD(f32v, j->p + c), dz, LOAD(f32v, j->q + c) * load(j->m.acc, acc, at)) + LOAD(f32v, j->r + c);
}

CK_INLINE void input_rows(const struct job *j, size_t begin, size_t end, enum ck_number result, enum ck_number acc) {
    for (size_t i = begin; i < end; ++i)
        for (size_t c = 0; c < j->m.channels; c += W) {
            size_t at = i * j->m.channels + c;
            f32v y = input_gradient(j, acc, at, c);
            if (result == CK_BF16) STORE(j->gradient + at, to_bf16(y));
            else STORE(j->gradient + at, to_s16(y * j->factor));
        }
}

CK_WORKER(backward_input) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->m.rows, worker, workers, &begin, &end);
    if (j->result_type == CK_S16) WITH_ACC(j->m.acc_type, input_rows, j, begin, end, CK_S16)
    else WITH_ACC(j->m.acc_type, input_rows, j, begin, end, CK_BF16)
}

void ck_norm_activation_backward_input(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                       const float *r, uint16_t *out, int threads) {
    struct job j = {.m = map, .other = dz, .p = p, .q = q, .r = r, .gradient = out, .result_type = CK_BF16};
    ck_parallel(threads, backward_input[ck_copy()], &j);
}

void ck_norm_activation_backward_input_s16(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                           const float *r, float factor, int16_t *out, int threads) {
    struct job j = {.m = map, .other = dz, .p = p, .q = q, .r = r, .factor = factor, .gradient = (uint16_t *)out, .result_type = CK_S16};
    ck_parallel(threads, backward_input[ck_copy()], &j);
}

// The bits of magnitudes order as integers, infinities above numbers and NaN above infinities, so a maximum has no order of its own.
CK_INLINE void largest_rows(const struct job *j, size_t begin, size_t end, uint32_t *largest, enum ck_number acc) {
    u32v most = {0};
    for (size_t i = begin; i < end; ++i)
        for (size_t c = 0; c < j->m.channels; c += W) {
            u32v bits = (u32v)input_gradient(j, acc, i * j->m.channels + c, c) & 0x7fffffff;
            most = __builtin_elementwise_max(most, bits);
        }
    for (int i = 0; i < W; ++i) *largest = most[i] > *largest ? most[i] : *largest;
}

CK_WORKER(largest) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->m.rows, worker, workers, &begin, &end);
    uint32_t most = 0;
    WITH_ACC(j->m.acc_type, largest_rows, j, begin, end, &most)
    j->scratch[worker] = most;
}

float ck_norm_activation_largest_gradient(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                          const float *r, double *scratch, int threads) {
    struct job j = {.m = map, .other = dz, .p = p, .q = q, .r = r, .scratch = scratch};
    for (int i = 0; i < threads; ++i) scratch[i] = 0;
    ck_parallel(threads, largest[ck_copy()], &j);
    double most = 0;
    for (int i = 0; i < threads; ++i) most = scratch[i] > most ? scratch[i] : most;
    float value;
    __builtin_memcpy(&value, &(uint32_t){(uint32_t)most}, sizeof value);
    return value;
}
