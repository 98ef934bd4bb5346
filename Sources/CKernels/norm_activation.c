// SPDX-License-Identifier: GPL-3.0-or-later
#include "norm_activation.h"
#include "dispatch.h"
#include "parallel.h"

// Every function with a vector argument is inlined into its caller, so no calling convention is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

// Sixteen channels at a time in clang's vector types: one register with AVX-512, two with AVX2, four elsewhere.
enum { W = 16, BLOCK = 64 };
typedef float f32v __attribute__((vector_size(4 * W)));
typedef int32_t s32v __attribute__((vector_size(4 * W)));
typedef uint32_t u32v __attribute__((vector_size(4 * W)));
typedef int16_t s16v __attribute__((vector_size(2 * W)));
typedef uint16_t u16v __attribute__((vector_size(2 * W)));
typedef uint8_t u8v __attribute__((vector_size(W)));
typedef double f64v __attribute__((vector_size(8 * W)));
#define INLINE static inline __attribute__((always_inline))
#define LOAD(type, p) ({ type v_; __builtin_memcpy(&v_, (p), sizeof v_); v_; })
#define STORE(p, value) ({ __typeof__(value) v_ = (value); __builtin_memcpy((p), &v_, sizeof v_); })

INLINE f32v load_acc(const void *acc, enum ck_acc_type type, size_t at) {
    if (type == CK_ACC_S16) return __builtin_convertvector(LOAD(s16v, (const int16_t *)acc + at), f32v);
    if (type == CK_ACC_S32) return __builtin_convertvector(LOAD(s32v, (const int32_t *)acc + at), f32v);
    return LOAD(f32v, (const float *)acc + at);
}

INLINE f32v from_bf16(u16v bits) { return (f32v)(__builtin_convertvector(bits, u32v) << 16); }

// Round to nearest even; a NaN stays one because its top mantissa bit is kept set.
INLINE u16v to_bf16(f32v x) {
    u32v bits = (u32v)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    u32v nan = (u32v)(x != x);
    return __builtin_convertvector((rounded & ~nan) | (0x7fc0 & nan), u16v);
}

INLINE f32v choose(s32v mask, f32v yes, f32v no) { return (f32v)(((s32v)yes & mask) | ((s32v)no & ~mask)); }

INLINE f32v level_units(const struct ck_norm_activation *m, enum ck_acc_type type, size_t at, size_t c) {
    f32v t = LOAD(f32v, m->a + c) * load_acc(m->acc, type, at) + LOAD(f32v, m->b + c);
    if (m->shortcut) t += m->step * __builtin_convertvector(LOAD(u8v, m->shortcut + at), f32v);
    return t;
}

struct job {
    struct ck_norm_activation m;
    uint8_t *levels;
    uint16_t *gradient;
    const uint16_t *other;
    const float *mean, *p, *q, *r;
    struct ck_coarse_derivatives d;
    double *scratch;
};

static void share(const struct job *j, int worker, int workers, size_t *begin, size_t *end) {
    ck_share(j->m.rows, worker, workers, begin, end);
}

// Adds n numbers of each worker, in the order of the workers, into the first one's.
static void collect(double *scratch, size_t n, int threads) {
    for (int worker = 1; worker < threads; ++worker)
        for (size_t i = 0; i < n; ++i) scratch[i] += scratch[(size_t)worker * n + i];
}

INLINE void add_to(double *sums, f32v terms) { STORE(sums, LOAD(f64v, sums) + __builtin_convertvector(terms, f64v)); }

// MARK: Statistics

INLINE void statistics_rows(const struct job *j, enum ck_acc_type type, size_t begin, size_t end, double *sums) {
    size_t channels = j->m.channels;
    for (size_t row = begin; row < end; row += BLOCK)
        for (size_t c = 0; c < channels; c += W) {
            // Shifted by the first row's values, so that a mean far from 0 costs no digits.
            f32v s1 = {0}, s2 = {0}, shift = load_acc(j->m.acc, type, c);
            for (size_t i = row; i < end && i < row + BLOCK; ++i) {
                f32v x = load_acc(j->m.acc, type, i * channels + c) - shift;
                s1 += x;
                s2 += x * x;
            }
            add_to(sums + c, s1);
            add_to(sums + channels + c, s2);
        }
}

CK_CLONES static void statistics(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, n = 2 * j->m.channels;
    share(j, worker, workers, &begin, &end);
    double *sums = j->scratch + (size_t)worker * n;
    for (size_t i = 0; i < n; ++i) sums[i] = 0;
    if (j->m.type == CK_ACC_S16) statistics_rows(j, CK_ACC_S16, begin, end, sums);
    else if (j->m.type == CK_ACC_S32) statistics_rows(j, CK_ACC_S32, begin, end, sums);
    else statistics_rows(j, CK_ACC_F32, begin, end, sums);
}

static double first_row(const void *acc, enum ck_acc_type type, size_t c) {
    return type == CK_ACC_S16 ? ((const int16_t *)acc)[c] : type == CK_ACC_S32 ? ((const int32_t *)acc)[c] : (double)((const float *)acc)[c];
}

void ck_acc_statistics(const void *acc, enum ck_acc_type type, size_t rows, size_t channels, double *mean, double *variance,
                       double *scratch, int threads) {
    struct job j = {.m = {.acc = acc, .type = type, .rows = rows, .channels = channels}, .scratch = scratch};
    ck_parallel(threads, statistics, &j);
    collect(scratch, 2 * channels, threads);
    for (size_t c = 0; c < channels; ++c) {
        double m = scratch[c] / (double)rows, v = scratch[channels + c] / (double)rows - m * m;
        mean[c] = first_row(acc, type, c) + m;
        variance[c] = v > 0 ? v : 0;
    }
}

// MARK: Calibration

float ck_norm_activation_maximum(struct ck_norm_activation map) {
    float most = 0;
    for (size_t i = 0; i < map.rows; ++i)
        for (size_t c = 0; c < map.channels; ++c) {
            size_t at = i * map.channels + c;
            float acc = map.type == CK_ACC_S16 ? ((const int16_t *)map.acc)[at]
                : map.type == CK_ACC_S32 ? (float)((const int32_t *)map.acc)[at] : ((const float *)map.acc)[at];
            float t = map.a[c] * acc + map.b[c] + (map.shortcut ? map.step * map.shortcut[at] : 0);
            most = t > most ? t : most;
        }
    return most;
}

// MARK: Forward

INLINE void forward_rows(const struct job *j, enum ck_acc_type type, size_t begin, size_t end) {
    f32v top = (f32v){0} + j->m.top;
    for (size_t i = begin; i < end; ++i)
        for (size_t c = 0; c < j->m.channels; c += W) {
            size_t at = i * j->m.channels + c;
            f32v k = __builtin_elementwise_ceil(level_units(&j->m, type, at, c));
            k = choose(k > 0, k, (f32v){0});
            k = choose(k < top, k, top);
            STORE(j->levels + at, __builtin_convertvector(__builtin_convertvector(k, s32v), u8v));
        }
}

CK_CLONES static void forward(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    share(j, worker, workers, &begin, &end);
    if (j->m.type == CK_ACC_S16) forward_rows(j, CK_ACC_S16, begin, end);
    else if (j->m.type == CK_ACC_S32) forward_rows(j, CK_ACC_S32, begin, end);
    else forward_rows(j, CK_ACC_F32, begin, end);
}

void ck_norm_activation_forward(struct ck_norm_activation map, uint8_t *levels, int threads) {
    struct job j = {.m = map, .levels = levels};
    ck_parallel(threads, forward, &j);
}

// MARK: Backward

INLINE void sums_rows(const struct job *j, enum ck_acc_type type, size_t begin, size_t end, double *sums) {
    size_t channels = j->m.channels;
    f32v top = (f32v){0} + j->m.top, one = (f32v){0} + 1, inside = (f32v){0} + j->d.inside, zero = {0};
    f64v alpha = {0};
    for (size_t row = begin; row < end; row += BLOCK)
        for (size_t c = 0; c < channels; c += W) {
            f32v s1 = {0}, s2 = {0}, s3 = {0}, mean = LOAD(f32v, j->mean + c);
            for (size_t i = row; i < end && i < row + BLOCK; ++i) {
                size_t at = i * channels + c;
                f32v t = level_units(&j->m, type, at, c), g = from_bf16(LOAD(u16v, j->gradient + at));
                if (j->other) g += from_bf16(LOAD(u16v, j->other + at));
                s32v positive = t > 0, saturated = t > top;
                f32v k = __builtin_elementwise_ceil(t);
                k = choose(k < one, one, k);
                f32v slope = choose(saturated, top, j->d.exact ? k : inside);
                s3 += g * choose(positive, slope, zero);
                s32v pass = (s32v){0} - 1;
                if (j->d.relu) pass &= positive;
                if (j->d.clip) pass &= ~saturated;
                // What the second pass and the shortcut will read is the rounded dz: sum that.
                u16v stored = to_bf16(choose(pass, g, zero));
                STORE(j->gradient + at, stored);
                f32v dz = from_bf16(stored);
                s1 += dz;
                s2 += dz * (load_acc(j->m.acc, type, at) - mean);
            }
            add_to(sums + c, s1);
            add_to(sums + channels + c, s2);
            alpha += __builtin_convertvector(s3, f64v);
        }
    for (int i = 0; i < W; ++i) sums[2 * channels] += alpha[i];
}

CK_CLONES static void backward_sums(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end, n = 2 * j->m.channels + 1;
    share(j, worker, workers, &begin, &end);
    double *sums = j->scratch + (size_t)worker * n;
    for (size_t i = 0; i < n; ++i) sums[i] = 0;
    if (j->m.type == CK_ACC_S16) sums_rows(j, CK_ACC_S16, begin, end, sums);
    else if (j->m.type == CK_ACC_S32) sums_rows(j, CK_ACC_S32, begin, end, sums);
    else sums_rows(j, CK_ACC_F32, begin, end, sums);
}

double ck_norm_activation_backward_sums(struct ck_norm_activation map, uint16_t *gradient, const uint16_t *other,
                                        const float *mean, struct ck_coarse_derivatives derivatives, double *sum, double *dot,
                                        double *scratch, int threads) {
    struct job j = {.m = map, .gradient = gradient, .other = other, .mean = mean, .d = derivatives, .scratch = scratch};
    ck_parallel(threads, backward_sums, &j);
    collect(scratch, 2 * map.channels + 1, threads);
    for (size_t c = 0; c < map.channels; ++c) {
        sum[c] = scratch[c];
        dot[c] = scratch[map.channels + c];
    }
    return scratch[2 * map.channels];
}

INLINE void input_rows(const struct job *j, enum ck_acc_type type, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
        for (size_t c = 0; c < j->m.channels; c += W) {
            size_t at = i * j->m.channels + c;
            f32v dz = from_bf16(LOAD(u16v, j->other + at));
            f32v out = LOAD(f32v, j->p + c) * dz + LOAD(f32v, j->q + c) * load_acc(j->m.acc, type, at) + LOAD(f32v, j->r + c);
            STORE(j->gradient + at, to_bf16(out));
        }
}

CK_CLONES static void backward_input(void *context, int worker, int workers) {
    const struct job *j = context;
    size_t begin, end;
    share(j, worker, workers, &begin, &end);
    if (j->m.type == CK_ACC_S16) input_rows(j, CK_ACC_S16, begin, end);
    else if (j->m.type == CK_ACC_S32) input_rows(j, CK_ACC_S32, begin, end);
    else input_rows(j, CK_ACC_F32, begin, end);
}

void ck_norm_activation_backward_input(struct ck_norm_activation map, const uint16_t *dz, const float *p, const float *q,
                                       const float *r, uint16_t *out, int threads) {
    struct job j = {.m = map, .other = dz, .p = p, .q = q, .r = r, .gradient = out};
    ck_parallel(threads, backward_input, &j);
}
