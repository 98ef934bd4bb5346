// SPDX-License-Identifier: GPL-3.0-or-later
#include "CMonteCarlo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "parallel.h"

/// What every sample needs of the model, computed once.
struct constants {
    float kappa;                                // w·w*/‖w‖²: Z_i·w* is b − κa without its part along w
    float density[CK_MONTE_CARLO_MOST_LEVELS];  // φ(t_k), t_k = kα/‖w‖
    float sums[4];                              // Σ φ, Σ (k+½)φ, Σ kφ, Σ k(k+½)φ
};

/// Normals a sample: Z's, then those of Student's radii.
static size_t drawn(const ck_two_layer_model *q) {
    const size_t radii = q->law == CK_ROWS_STUDENT ? (size_t)q->m : q->law == CK_ROWS_STUDENT_COMMON ? 1 : 0;
    return (size_t)q->m * (size_t)q->n + radii * (size_t)q->freedom;
}

static size_t padded(size_t entries) { return (entries + 3) / 4 * 4; }

/// One instruction set's copy of the pass (monte_carlo_kernel.h).
struct monte_carlo_kernel {
    void (*normals)(ck_sample_range, size_t entries, void *z);
    void (*block)(const ck_two_layer_model *, const struct constants *, ck_sample_range, size_t samples, void *work, double *x);
    void (*accumulate)(size_t d, const double *x, double *sums, double *products);
    double (*generate)(ck_sample_range, size_t samples, size_t entries, void *work);
};

// 512-bit vectors are passed between always-inlined functions only, so no call's ABI depends on them.
#pragma clang diagnostic ignored "-Wpsabi"

#define NAME(x) monte_carlo_portable_##x
#include "monte_carlo_kernel.h"
#undef NAME

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME(x) monte_carlo_avx2_##x
#include "monte_carlo_kernel.h"
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define NAME(x) monte_carlo_avx512_##x
#include "monte_carlo_kernel.h"
#undef NAME
#pragma clang attribute pop
#endif

static const struct monte_carlo_kernel *kernel(void) {
#if defined(__x86_64__)
    if (ck_features() & CK_HAS_AVX512) return &monte_carlo_avx512_kernel;
    if (ck_features() & CK_HAS_AVX2) return &monte_carlo_avx2_kernel;
#endif
    return &monte_carlo_portable_kernel;
}

/// Fixed, so that the order of every sum is; the most threads that can help.
enum { CHUNKS = 64, VECTOR = sizeof(float) * CK_MONTE_CARLO_LANES };

static struct constants constants(const ck_two_layer_model *q) {
    double ww = 0, cross = 0, sums[4] = {0};
    for (int j = 0; j < q->n; ++j) {
        ww += (double)q->w[j] * q->w[j];
        cross += (double)q->w[j] * q->w_star[j];
    }
    struct constants c = {(float)(cross / ww), {0}, {0}};
    for (int k = 0; k < q->levels; ++k) {
        const double t = k * (double)q->alpha, density = exp(-t * t / (2 * ww)) / sqrt(2 * M_PI);
        c.density[k] = (float)density;
        sums[0] += density;
        sums[1] += (k + 0.5) * density;
        sums[2] += k * density;
        sums[3] += k * (k + 0.5) * density;
    }
    for (int i = 0; i < 4; ++i) c.sums[i] = (float)sums[i];
    return c;
}

struct pass {
    const struct monte_carlo_kernel *kernel;
    const ck_two_layer_model *model;
    struct constants constants;
    ck_sample_range range;
    size_t blocks, block_size, chunks, d;
    size_t first, last;  // of the chunks, those to compute
    double *sums, *products;  // one set a chunk
    int failed;
};

static void pass_worker(void *context, int worker, int workers) {
    struct pass *p = context;
    const struct monte_carlo_kernel *k = p->kernel;
    void *work = aligned_alloc(VECTOR, (padded(drawn(p->model)) + 6 * (size_t)p->model->m + p->d) * VECTOR);
    double *x = malloc(p->d * sizeof(double));
    if (!work || !x) {
        __atomic_store_n(&p->failed, 1, __ATOMIC_RELAXED);
    } else {
        for (size_t chunk = p->first + (size_t)worker; chunk < p->last; chunk += (size_t)workers) {
            size_t begin, end;
            ck_share(p->blocks, (int)chunk, (int)p->chunks, &begin, &end);
            for (size_t block = begin; block < end; ++block) {
                ck_sample_range range = p->range;
                range.first_sample += block * p->block_size;
                k->block(p->model, &p->constants, range, p->block_size, work, x);
                const size_t own = chunk - p->first;
                k->accumulate(p->d, x, p->sums + own * p->d, p->products ? p->products + own * p->d * p->d : NULL);
            }
        }
    }
    free(work);
    free(x);
}

size_t ck_monte_carlo_chunks(size_t blocks) { return blocks < CHUNKS ? blocks : CHUNKS; }

int ck_monte_carlo_part(const ck_two_layer_model *model, ck_sample_range range, size_t blocks, size_t block_size, size_t first, size_t last,
                        int threads, double *sums, double *products) {
    const size_t d = ck_monte_carlo_dimension(model->m, model->n, model->levels);
    memset(sums, 0, (last - first) * d * sizeof(double));
    if (products) memset(products, 0, (last - first) * d * d * sizeof(double));
    struct pass p = {kernel(), model, constants(model), range, blocks, block_size, ck_monte_carlo_chunks(blocks), d, first, last, sums,
            products, 0};
    ck_parallel(threads, pass_worker, &p);
    return p.failed ? -1 : 0;
}

int ck_monte_carlo_normals(ck_sample_range range, size_t samples, size_t entries, float *out) {
    float *z = aligned_alloc(VECTOR, padded(entries) * VECTOR);
    if (!z) return -1;
    for (size_t s = 0; s < samples; s += CK_MONTE_CARLO_LANES) {
        ck_sample_range part = range;
        part.first_sample += s;
        kernel()->normals(part, entries, z);
        for (size_t lane = 0; lane < CK_MONTE_CARLO_LANES; ++lane)
            for (size_t k = 0; k < entries; ++k) out[(s + lane) * entries + k] = z[k * CK_MONTE_CARLO_LANES + lane];
    }
    free(z);
    return 0;
}

struct generation {
    const struct monte_carlo_kernel *kernel;
    ck_sample_range range;
    size_t samples, entries;
    double sums[CHUNKS];
};

static void generation_worker(void *context, int worker, int workers) {
    struct generation *g = context;
    void *work = aligned_alloc(VECTOR, padded(g->entries) * VECTOR);
    for (int chunk = worker; chunk < CHUNKS; chunk += workers) {
        if (!work) { g->sums[chunk] = NAN; continue; }
        size_t begin, end;
        ck_share(g->samples / CK_MONTE_CARLO_LANES, chunk, CHUNKS, &begin, &end);
        ck_sample_range range = g->range;
        range.first_sample += begin * CK_MONTE_CARLO_LANES;
        g->sums[chunk] = g->kernel->generate(range, (end - begin) * CK_MONTE_CARLO_LANES, g->entries, work);
    }
    free(work);
}

double ck_monte_carlo_generation_only(ck_sample_range range, size_t samples, size_t entries, int threads) {
    struct generation g = {kernel(), range, samples, entries, {0}};
    ck_parallel(threads, generation_worker, &g);
    double total = 0;
    for (int chunk = 0; chunk < CHUNKS; ++chunk) total += g.sums[chunk];
    return total;
}
