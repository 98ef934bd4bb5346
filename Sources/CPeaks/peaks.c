// SPDX-License-Identifier: GPL-3.0-or-later
#include "CPeaks.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/kernel.h"
#include "parallel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Each chunk of work takes about a tenth of a millisecond, and no f32 accumulator passes 2²⁴, where ones stop counting.
enum { ITERATIONS = 1 << 16, CHAINS = 12 };

// CHAINS independent accumulators cover latency × throughput of every processor known (4 cycles × 2 a cycle).
#define CHAINS_LOOP(STEP)                          \
    for (int i = 0; i < ITERATIONS; ++i) {         \
        _Pragma("clang loop unroll(full)")         \
        for (int k = 0; k < CHAINS; ++k) { STEP; } \
    }

typedef double (*chunk)(void);

// MARK: f32

typedef float f32x4 __attribute__((vector_size(16)));

static double f32_portable(void) {
    volatile float one = 1;
    f32x4 a = {one, one, one, one}, b = a, sum[CHAINS] = {{0}};
    CHAINS_LOOP(sum[k] = sum[k] + a * b)
    double total = 0;
    for (int k = 0; k < CHAINS; ++k)
        for (int j = 0; j < 4; ++j) total += (double)sum[k][j];
    return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double f32_avx2(void) {
    volatile float one = 1;
    __m256 a = _mm256_set1_ps(one), b = _mm256_set1_ps(one), sum[CHAINS] = {_mm256_setzero_ps()};
    CHAINS_LOOP(sum[k] = _mm256_fmadd_ps(a, b, sum[k]))
    double total = 0;
    for (int k = 0; k < CHAINS; ++k)
        for (int j = 0; j < 8; ++j) total += (double)sum[k][j];
    return total;
}

__attribute__((target("avx512f"))) static double f32_avx512(void) {
    volatile float one = 1;
    __m512 a = _mm512_set1_ps(one), b = _mm512_set1_ps(one), sum[CHAINS] = {_mm512_setzero_ps()};
    CHAINS_LOOP(sum[k] = _mm512_fmadd_ps(a, b, sum[k]))
    double total = 0;
    for (int k = 0; k < CHAINS; ++k) total += (double)_mm512_reduce_add_ps(sum[k]);
    return total;
}

// MARK: bf16

__attribute__((target("avx512f,avx512bf16"))) static double bf16_avx512(void) {
    volatile short one = 0x3F80;
    __m512bh a = (__m512bh)_mm512_set1_epi16(one), b = (__m512bh)_mm512_set1_epi16(one);
    __m512 sum[CHAINS] = {_mm512_setzero_ps()};
    CHAINS_LOOP(sum[k] = _mm512_dpbf16_ps(sum[k], a, b))
    double total = 0;
    for (int k = 0; k < CHAINS; ++k) total += (double)_mm512_reduce_add_ps(sum[k]);
    return total;
}

// MARK: int8

__attribute__((target("avx512f,avx512vnni"))) static double int8_avx512(void) {
    volatile char one = 1;
    __m512i a = _mm512_set1_epi8(one), b = _mm512_set1_epi8(one), sum[CHAINS] = {_mm512_setzero_si512()};
    CHAINS_LOOP(sum[k] = _mm512_dpbusd_epi32(sum[k], a, b))
    double total = 0;
    for (int k = 0; k < CHAINS; ++k) total += (double)_mm512_reduce_add_epi32(sum[k]);
    return total;
}

__attribute__((target("avx2,avxvnni"))) static double int8_avx2(void) {
    volatile char one = 1;
    __m256i a = _mm256_set1_epi8(one), b = _mm256_set1_epi8(one), sum[CHAINS] = {_mm256_setzero_si256()};
    CHAINS_LOOP(sum[k] = _mm256_dpbusd_avx_epi32(sum[k], a, b))
    double total = 0;
    for (int k = 0; k < CHAINS; ++k)
        for (int j = 0; j < 8; ++j) total += ((const int32_t *)&sum[k])[j];
    return total;
}
#endif

CK_KERNEL(double, int8_portable, (void), ()) {
    enum { LENGTH = 1024 };
    uint8_t a[LENGTH];
    int8_t b[LENGTH];
    memset(a, 1, sizeof a);
    memset(b, 1, sizeof b);
    double total = 0;
    for (int i = 0; i < ITERATIONS / 32; ++i) {
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory");  // or the product would move out of the loop
        int32_t sum = 0;
        for (int j = 0; j < LENGTH; ++j) sum += (int32_t)a[j] * b[j];
        total += sum;
    }
    return total;
}

// MARK: memory

enum { ARRAY = 1 << 24 };  // floats in each of three arrays: 64 MiB, twice a large last-level cache

struct job {
    double seconds;
    chunk work;
    float *memory;
    enum ck_copy copy;
    double rate[CK_PEAK_MAX_THREADS];
};

CK_KERNEL(void, triad, (float *a, const float *b, const float *c, size_t begin, size_t end), (a, b, c, begin, end)) {
    for (size_t i = begin; i < end; ++i) a[i] = b[i] + 3 * c[i];
}

static double triad_share(const struct job *job, int worker, int workers) {
    size_t begin, end;
    ck_share(ARRAY, worker, workers, &begin, &end);
    triad[job->copy](job->memory, job->memory + ARRAY, job->memory + 2 * ARRAY, begin, end);
    return 12.0 * (double)(end - begin);
}

// MARK: timing

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(void *context, int worker, int workers) {
    struct job *job = context;
    double work = 0, elapsed, start = now();
    do {
        work += job->work ? job->work() : triad_share(job, worker, workers);
        elapsed = now() - start;
    } while (elapsed < job->seconds);
    job->rate[worker] = work / elapsed;
}

static chunk f32_chunk(void) {
#if defined(__x86_64__)
    if (ck_features() & CK_HAS_AVX512) return f32_avx512;
    if (ck_features() & CK_HAS_AVX2) return f32_avx2;
#endif
    return f32_portable;
}

static chunk bf16_chunk(int *native) {
#if defined(__x86_64__)
    if (ck_features() & CK_HAS_AVX512_BF16) return bf16_avx512;
#endif
    *native = 0;
    return f32_chunk();  // without the instruction bf16 is widened, and runs no faster than f32
}

static chunk int8_chunk(int *native) {
#if defined(__x86_64__)
    if (ck_features() & CK_HAS_AVX512_VNNI) return int8_avx512;
    if (ck_features() & CK_HAS_AVX_VNNI) return int8_avx2;
#endif
    *native = 0;
    return int8_portable[ck_copy()];
}

struct ck_peak ck_measure_peak(enum ck_peak_kind kind, double seconds, int threads) {
    struct ck_peak peak = {.rate = 0, .native = 1};
    struct job job = {.seconds = seconds, .copy = ck_copy()};
    threads = threads < 1 ? 1 : threads > CK_PEAK_MAX_THREADS ? CK_PEAK_MAX_THREADS : threads;
    switch (kind) {
    case CK_PEAK_F32: job.work = f32_chunk(); break;
    case CK_PEAK_BF16: job.work = bf16_chunk(&peak.native); break;
    case CK_PEAK_INT8: job.work = int8_chunk(&peak.native); break;
    case CK_PEAK_MEMORY:
        job.memory = calloc(3 * (size_t)ARRAY, sizeof *job.memory);
        if (!job.memory) return peak;
        // Reading untouched pages would read the one zero page from the cache.
        for (size_t i = 0; i < 3 * (size_t)ARRAY; ++i) job.memory[i] = 1;
        break;
    }
    ck_parallel(threads, measure, &job);
    for (int i = 0; i < threads; ++i) peak.rate += job.rate[i];
    free(job.memory);
    return peak;
}
