// SPDX-License-Identifier: GPL-3.0-or-later
#include "weight_projection.h"
#include <math.h>
#include <string.h>
#include "common/lanes.h"

struct call {
    const float *w;
    size_t count;
    float low, high, step, qmax, scale;
    float *out;
    int8_t *integer_weights;
    double *first_blocks, *second_blocks;
    float *maximum_blocks;
    size_t *gathered;
    uint32_t base;
    int shift, bin_count;
    struct ck_magnitude_bin *bins;
    enum ck_copy copy;
};

CK_INLINE uint32_t magnitude_bits(float w) {
    uint32_t bits;
    memcpy(&bits, &w, sizeof bits);
    return bits & 0x7fffffff;
}

// MARK: sums over blocks

CK_INLINE void add_magnitude(float w, double *sum, float *maximum) {
    float m = fabsf(w);
    *sum += m;
    *maximum = m > *maximum ? m : *maximum;
}

CK_KERNEL(void, magnitudes, (const float *w, size_t count, double *sum, float *maximum), (w, count, sum, maximum)) {
    double sums[LANES] = {0};
    float maxima[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++) add_magnitude(w[i + j], &sums[j], &maxima[j]);
    }
    for (size_t j = 0; i + j < count; j++) add_magnitude(w[i + j], &sums[j], &maxima[j]);
    *sum = ordered_sum(sums, LANES);
    *maximum = 0;
    for (int j = 0; j < LANES; j++) *maximum = maxima[j] > *maximum ? maxima[j] : *maximum;
}

CK_INLINE void add_kept(float w, float low, double *sum, double *number) {
    float m = fabsf(w);
    *sum += m >= low ? m : 0;
    *number += m >= low;
}

CK_KERNEL(void, kept, (const float *w, size_t count, float low, double *sum, double *number), (w, count, low, sum, number)) {
    double sums[LANES] = {0}, numbers[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++) add_kept(w[i + j], low, &sums[j], &numbers[j]);
    }
    for (size_t j = 0; i + j < count; j++) add_kept(w[i + j], low, &sums[j], &numbers[j]);
    *sum = ordered_sum(sums, LANES);
    *number = ordered_sum(numbers, LANES);
}

CK_INLINE float rounded(float w, float step, float qmax) {
    float q = rintf(w / step);
    q = q > qmax ? qmax : q;
    return q < -qmax ? -qmax : q;
}

// A code of 8 bits times a float of 24 is exact in double.
CK_INLINE void add_products(float w, float step, float qmax, double *wq, double *qq) {
    double q = rounded(w, step, qmax);
    *wq += w * q;
    *qq += q * q;
}

CK_KERNEL(void, products, (const float *w, size_t count, float step, float qmax, double *wq, double *qq),
          (w, count, step, qmax, wq, qq)) {
    double cross[LANES] = {0}, square[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        CK_LANES
        for (size_t j = 0; j < LANES; j++) add_products(w[i + j], step, qmax, &cross[j], &square[j]);
    }
    for (size_t j = 0; i + j < count; j++) add_products(w[i + j], step, qmax, &cross[j], &square[j]);
    *wq = ordered_sum(cross, LANES);
    *qq = ordered_sum(square, LANES);
}

enum pass { MAGNITUDES, KEPT, PRODUCTS };

CK_INLINE void sum_blocks(struct call *c, int worker, int workers, enum pass pass) {
    size_t b, begin, end, length = block_length(c->count);
    share_of_blocks(c->count, worker, workers, &b, &begin, &end);
    for (; begin < end; begin += length, b++) {
        size_t n = end - begin < length ? end - begin : length;
        const float *w = c->w + begin;
        if (pass == MAGNITUDES) magnitudes[c->copy](w, n, c->first_blocks + b, c->maximum_blocks + b);
        if (pass == KEPT) kept[c->copy](w, n, c->low, c->first_blocks + b, c->second_blocks + b);
        if (pass == PRODUCTS) products[c->copy](w, n, c->step, c->qmax, c->first_blocks + b, c->second_blocks + b);
    }
}
static void magnitudes_worker(void *c, int worker, int workers) { sum_blocks(c, worker, workers, MAGNITUDES); }
static void kept_worker(void *c, int worker, int workers) { sum_blocks(c, worker, workers, KEPT); }
static void products_worker(void *c, int worker, int workers) { sum_blocks(c, worker, workers, PRODUCTS); }

struct ck_magnitudes ck_magnitudes(const float *w, size_t count, int threads) {
    double sums[MAX_BLOCKS];
    float maxima[MAX_BLOCKS];
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .first_blocks = sums, .maximum_blocks = maxima};
    ck_parallel(useful_threads(count, threads), magnitudes_worker, &call);
    struct ck_magnitudes all = {ordered_sum(sums, block_count(count)), 0};
    for (size_t b = 0; b < block_count(count); b++) all.maximum = maxima[b] > all.maximum ? maxima[b] : all.maximum;
    return all;
}

struct ck_kept ck_kept(const float *w, size_t count, float threshold, int threads) {
    double sums[MAX_BLOCKS], numbers[MAX_BLOCKS];
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .low = threshold, .first_blocks = sums, .second_blocks = numbers};
    ck_parallel(useful_threads(count, threads), kept_worker, &call);
    return (struct ck_kept){ordered_sum(sums, block_count(count)), ordered_sum(numbers, block_count(count))};
}

struct ck_products ck_rounded_products(const float *w, size_t count, float step, float qmax, int threads) {
    double cross[MAX_BLOCKS], square[MAX_BLOCKS];
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .step = step, .qmax = qmax, .first_blocks = cross,
            .second_blocks = square};
    ck_parallel(useful_threads(count, threads), products_worker, &call);
    return (struct ck_products){ordered_sum(cross, block_count(count)), ordered_sum(square, block_count(count))};
}

// MARK: integer weights

enum rule { BINARY, TERNARY, ROUNDED };

CK_INLINE float code(float w, const struct call *c, enum rule rule) {
    if (rule == ROUNDED) return rounded(w, c->step, c->qmax);
    float sign = w >= 0 ? 1 : -1;
    return rule == BINARY || fabsf(w) >= c->low ? sign : 0;
}

CK_INLINE void write_integer_weights(struct call c, size_t begin, size_t end, enum rule rule) {
    const float *w = c.w;
    float *out = c.out;
    int8_t *integer_weights = c.integer_weights;
    if (integer_weights == NULL)
        for (size_t i = begin; i < end; i++) out[i] = c.scale * code(w[i], &c, rule);
    else if (out == NULL)
        for (size_t i = begin; i < end; i++) integer_weights[i] = (int8_t)(int32_t)code(w[i], &c, rule);
    else
        for (size_t i = begin; i < end; i++) {
            float q = code(w[i], &c, rule);
            out[i] = c.scale * q;
            integer_weights[i] = (int8_t)(int32_t)q;
        }
}
CK_KERNEL(void, binary_part, (const struct call *c, size_t begin, size_t end), (c, begin, end)) {
    write_integer_weights(*c, begin, end, BINARY);
}
CK_KERNEL(void, ternary_part, (const struct call *c, size_t begin, size_t end), (c, begin, end)) {
    write_integer_weights(*c, begin, end, TERNARY);
}
CK_KERNEL(void, rounded_part, (const struct call *c, size_t begin, size_t end), (c, begin, end)) {
    write_integer_weights(*c, begin, end, ROUNDED);
}

#define CODES_WORKER(rule)                                              \
    static void rule##_worker(void *context, int worker, int workers) { \
        struct call *c = context;                                       \
        size_t begin, end;                                              \
        ck_share(c->count, worker, workers, &begin, &end);              \
        rule##_part[c->copy](c, begin, end);                            \
    }
CODES_WORKER(binary)
CODES_WORKER(ternary)
CODES_WORKER(rounded)

void ck_binary_integer_weights(const float *w, size_t count, float scale, float *quantized, int8_t *integer_weights, int threads) {
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .scale = scale, .out = quantized, .integer_weights = integer_weights};
    ck_parallel(useful_threads(count, threads), binary_worker, &call);
}

void ck_ternary_integer_weights(const float *w, size_t count, float threshold, float scale, float *quantized, int8_t *integer_weights,
                      int threads) {
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .low = threshold, .scale = scale, .out = quantized,
            .integer_weights = integer_weights};
    ck_parallel(useful_threads(count, threads), ternary_worker, &call);
}

void ck_rounded_integer_weights(const float *w, size_t count, float step, float qmax, float scale, float *quantized,
        int8_t *integer_weights,
                      int threads) {
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .step = step, .qmax = qmax, .scale = scale, .out = quantized,
            .integer_weights = integer_weights};
    ck_parallel(useful_threads(count, threads), rounded_worker, &call);
}

// MARK: histogram and gathering

static void histogram_worker(void *context, int worker, int workers) {
    struct call *c = context;
    typedef uint64_t u64x2 __attribute__((vector_size(16)));
    u64x2 own[CK_MAGNITUDE_BINS];
    memset(own, 0, (size_t)c->bin_count * sizeof own[0]);
    size_t begin, end;
    ck_share(c->count, worker, workers, &begin, &end);
    uint32_t base = c->base, first = base >> c->shift, mask = (1u << c->shift) - 1;
    for (size_t i = begin; i < end; i++) {
        uint32_t bits = magnitude_bits(c->w[i]), bin = bits < base ? 0 : (bits >> c->shift) - first + 1;
        own[bin] += (u64x2){1, bits & mask};
    }
    for (int b = 0; b < c->bin_count; b++) {  // integers: the order of the workers leaves no trace
        if (own[b][0] == 0) continue;
        __atomic_fetch_add(&c->bins[b].count, own[b][0], __ATOMIC_RELAXED);
        __atomic_fetch_add(&c->bins[b].offsets, own[b][1], __ATOMIC_RELAXED);
    }
}

void ck_magnitude_histogram(const float *w, size_t count, uint32_t base, int shift, struct ck_magnitude_bin *bins,
                            int bin_count, int threads) {
    memset(bins, 0, (size_t)bin_count * sizeof bins[0]);
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .base = base, .shift = shift, .bins = bins, .bin_count = bin_count};
    ck_parallel(useful_threads(count, threads), histogram_worker, &call);
}

CK_KERNEL(int, any_inside, (const float *w, size_t count, float low, float high), (w, count, low, high)) {
    int inside = 0;
    for (size_t i = 0; i < count; i++) inside |= (fabsf(w[i]) >= low) & (fabsf(w[i]) < high);
    return inside;
}

static void gather_worker(void *context, int worker, int workers) {
    struct call *c = context;
    size_t begin, end, found = 0;
    ck_share(c->count, worker, workers, &begin, &end);
    float *out = c->out + begin;
    for (size_t i = begin; i < end; i += 64) {  // most groups hold none
        size_t stop = i + 64 < end ? i + 64 : end;
        if (!any_inside[c->copy](c->w + i, stop - i, c->low, c->high)) continue;
        for (size_t j = i; j < stop; j++) {
            float m = fabsf(c->w[j]);
            if (m >= c->low && m < c->high) out[found++] = m;
        }
    }
    c->gathered[worker] = found;
}

size_t ck_gather_magnitudes(const float *w, size_t count, float low, float high, float *out, int threads) {
    enum { MAX_WORKERS = 256 };
    size_t gathered[MAX_WORKERS] = {0}, found = 0;
    threads = useful_threads(count, threads);
    threads = threads < 1 ? 1 : threads > MAX_WORKERS ? MAX_WORKERS : threads;
    struct call call = {.copy = ck_copy(), .w = w, .count = count, .low = low, .high = high, .out = out, .gathered = gathered};
    ck_parallel(threads, gather_worker, &call);
    for (int worker = 0; worker < threads; worker++) {
        size_t begin, end;
        ck_share(count, worker, threads, &begin, &end);
        memmove(out + found, out + begin, gathered[worker] * sizeof(float));
        found += gathered[worker];
    }
    return found;
}
