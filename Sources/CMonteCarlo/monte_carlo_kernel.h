// SPDX-License-Identifier: GPL-3.0-or-later
// The Monte Carlo pass over blocks of samples, written once in vector types of 16 lanes, one sample a lane.
// monte_carlo.c includes it once an instruction set, with NAME(x) giving each copy its own names; the compiler
// splits the 512-bit types where registers are narrower, so every copy gives a sample to the same lane.
//
// Numbers are f32: a normal carries a relative error near 1e-7 and the radius ends at 6.66, which changes
// second moments by less than 1e-8, against a statistical error of 1e-4 at 10⁸ samples. A lane adds at most
// block_size / 16 terms in f32; everything after that is double.

typedef float NAME(f32) __attribute__((vector_size(64)));
typedef int32_t NAME(i32) __attribute__((vector_size(64)));
typedef uint32_t NAME(u32) __attribute__((vector_size(64)));
typedef uint64_t NAME(u64) __attribute__((vector_size(64)));
#define f32 NAME(f32)
#define i32 NAME(i32)
#define u32 NAME(u32)
#define u64 NAME(u64)
#define INLINE static inline __attribute__((always_inline))

INLINE f32 NAME(select)(i32 mask, f32 yes, f32 no) { return (f32)((mask & (i32)yes) | (~mask & (i32)no)); }
#define select NAME(select)

/// √(−2 log u) for u = (word/2 + ½)·2⁻³¹, an f32 polynomial (Cephes logf) on the mantissa in [√½, √2).
INLINE f32 NAME(radius)(u32 word) {
    const f32 x = __builtin_convertvector((i32)(word >> 1), f32) + 0.5f;
    const i32 exponent = ((i32)x - 0x3f3504f3) >> 23;
    const f32 t = (f32)((i32)x - (exponent << 23)) - 1.0f;
    const f32 t2 = t * t;
    f32 p = 7.0376836292e-2f * t - 1.1514610310e-1f;
    p = p * t + 1.1676998740e-1f;
    p = p * t - 1.2420140846e-1f;
    p = p * t + 1.4249322787e-1f;
    p = p * t - 1.6668057665e-1f;
    p = p * t + 2.0000714765e-1f;
    p = p * t - 2.4999993993e-1f;
    p = p * t + 3.3333331174e-1f;
    const f32 log_mantissa = t - 0.5f * t2 + t * t2 * p;
    const f32 log_u = log_mantissa + 0.693147180559945f * __builtin_convertvector(exponent - 31, f32);
    return __builtin_elementwise_sqrt(-2.0f * log_u);
}

/// (cos, sin) of 2π·word/2³²: the top two bits choose the quadrant, the rest an angle in [−π/4, π/4).
INLINE void NAME(direction)(u32 word, f32 *cosine, f32 *sine) {
    const f32 x = __builtin_convertvector((i32)(word << 2), f32) * (0x1p-31f * 0.785398163397448f);
    const f32 x2 = x * x;
    f32 s = -1.9515295891e-4f * x2 + 8.3321608736e-3f;
    s = s * x2 - 1.6666654611e-1f;
    s = s * x2 * x + x;
    f32 c = 2.443315711809948e-5f * x2 - 1.388731625493765e-3f;
    c = c * x2 + 4.166664568298827e-2f;
    c = c * x2 * x2 - 0.5f * x2 + 1.0f;
    const i32 swap = (i32)(word << 1) >> 31;  // the second bit, spread over the lane
    const u32 negate = word & 0x80000000u;
    // Quadrants 0 1 2 3: (c, s), (−s, c), (−c, −s), (s, −c).
    *cosine = (f32)((u32)select(swap, s, c) ^ negate ^ ((u32)swap & 0x80000000u));
    *sine = (f32)((u32)select(swap, c, s) ^ negate);
}

/// Ten Philox rounds on eight counters; only the low 32 bits of a lane count.
INLINE void NAME(philox)(u64 r[4], uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; ++round) {
        const u64 p0 = (r[0] & 0xffffffffu) * 0xD2511F53u;
        const u64 p1 = (r[2] & 0xffffffffu) * 0xCD9E8D57u;
        r[0] = (p1 >> 32) ^ r[1] ^ k0;
        r[1] = p1;
        r[2] = (p0 >> 32) ^ r[3] ^ k1;
        r[3] = p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

INLINE u32 NAME(low_words)(u64 a, u64 b) {
    return __builtin_shufflevector((u32)a, (u32)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/// The Z entries of 16 consecutive samples: z[entry] holds one lane a sample; z has room for a multiple of 4.
static void NAME(normals)(uint64_t seed, uint32_t experiment, uint64_t first, size_t entries, f32 *z) {
    const u64 iota = {0, 1, 2, 3, 4, 5, 6, 7};
    const u64 sample_a = iota + first, sample_b = iota + (first + 8);
    for (size_t block = 0; 4 * block < entries; ++block) {
        const u64 counter = (u64){0} + (uint64_t)(uint32_t)block, second = (u64){0} + (uint64_t)experiment;
        u64 a[4] = {counter, second, sample_a, sample_a >> 32};
        u64 b[4] = {counter, second, sample_b, sample_b >> 32};
        NAME(philox)(a, seed);
        NAME(philox)(b, seed);
        for (int pair = 0; pair < 2; ++pair) {
            const f32 radius = NAME(radius)(NAME(low_words)(a[2 * pair], b[2 * pair]));
            f32 cosine, sine;
            NAME(direction)(NAME(low_words)(a[2 * pair + 1], b[2 * pair + 1]), &cosine, &sine);
            z[4 * block + 2 * pair] = radius * cosine;
            z[4 * block + 2 * pair + 1] = radius * sine;
        }
    }
}

/// rows × (w, w*): a_i = Z_i·w and b_i = Z_i·w*.
INLINE void NAME(project)(const ck_two_layer_model *q, const f32 *z, f32 *a, f32 *b) {
    const size_t m = (size_t)q->m, n = (size_t)q->n;
    for (size_t i = 0; i < m; ++i) {
        f32 a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0};  // two chains each: a single one waits for its own sums
        size_t j = 0;
        for (; j + 1 < n; j += 2) {
            a0 += z[i * n + j] * q->w[j];
            b0 += z[i * n + j] * q->w_star[j];
            a1 += z[i * n + j + 1] * q->w[j + 1];
            b1 += z[i * n + j + 1] * q->w_star[j + 1];
        }
        if (j < n) {
            a0 += z[i * n + j] * q->w[j];
            b0 += z[i * n + j] * q->w_star[j];
        }
        a[i] = a0 + a1;
        b[i] = b0 + b1;
    }
}

/// Rows of another law, in place: each is scaled to its radius.
INLINE void NAME(rescale)(const ck_two_layer_model *q, f32 *z) {
    const size_t m = (size_t)q->m, n = (size_t)q->n, freedom = (size_t)q->freedom;
    f32 scale = {0};
    for (size_t i = 0; i < m; ++i) {
        if (q->law == CK_ROWS_SPHERE) {
            f32 square = {0};
            for (size_t j = 0; j < n; ++j) square += z[i * n + j] * z[i * n + j];
            scale = __builtin_elementwise_sqrt((float)n / square);
        } else if (i == 0 || q->law == CK_ROWS_STUDENT) {
            f32 square = {0};
            for (size_t j = 0; j < freedom; ++j) square += z[m * n + i * freedom + j] * z[m * n + i * freedom + j];
            scale = __builtin_elementwise_sqrt((float)freedom / square);
        }
        for (size_t j = 0; j < n; ++j) z[i * n + j] *= scale;
    }
}

/// From a, b: adds ½r² and σr to `acc`, and writes the weights c[4i + k] of row i in the four sums Zᵀc.
INLINE void NAME(weigh)(const ck_two_layer_model *q, float kappa, const f32 *a, const f32 *b, f32 *c, f32 *acc) {
    f32 r = {0};
    for (int i = 0; i < q->m; ++i) {
        r += select(a[i] > 0.0f, (f32){0} + q->v[i], (f32){0});
        r -= select(b[i] > 0.0f, (f32){0} + q->v_star[i], (f32){0});
    }
    acc[0] += 0.5f * r * r;
    for (int i = 0; i < q->m; ++i) {
        const i32 on = a[i] > 0.0f, on_star = b[i] > 0.0f;
        acc[1 + i] += select(on, r, (f32){0});
        const f32 vr = r * q->v[i];
        c[4 * i] = select(on, vr, (f32){0});
        c[4 * i + 1] = select(on & (a[i] < 1.0f), vr, (f32){0});
        c[4 * i + 2] = vr;
        // The row on its kink: σ_i is removed from r, and σ*_i is taken at PZ_i, where Z_i·w* is b − κa.
        const i32 on_kink = (b[i] - kappa * a[i]) > 0.0f;
        const f32 rest = r - select(on, (f32){0} + q->v[i], (f32){0}) + select(on_star, (f32){0} + q->v_star[i], (f32){0}) -
                         select(on_kink, (f32){0} + q->v_star[i], (f32){0});
        c[4 * i + 3] = q->v[i] * (rest + 0.5f * q->v[i]);
    }
}

/// clamp(ceil(x/α), 0, K).
INLINE f32 NAME(code)(f32 x, float inverse, float top) {
    const f32 rounded = __builtin_elementwise_ceil(x * inverse);
    return __builtin_elementwise_min(__builtin_elementwise_max(rounded, (f32){0}), (f32){0} + top);
}

/// The same for K levels; `scalars` are the five sums at the end.
INLINE void NAME(weigh_levels)(const ck_two_layer_model *q, const struct constants *k, const f32 *a, const f32 *b, f32 *c, f32 *acc,
                               f32 *scalars) {
    const float top = (float)q->levels, alpha = q->alpha, inverse = 1 / q->alpha, inverse_star = 1 / q->alpha_star;
    f32 r = {0};
    for (int i = 0; i < q->m; ++i) {
        r += (q->v[i] * alpha) * NAME(code)(a[i], inverse, top);
        r -= (q->v_star[i] * q->alpha_star) * NAME(code)(b[i], inverse_star, top);
    }
    acc[0] += 0.5f * r * r;
    for (int i = 0; i < q->m; ++i) {
        const f32 code = NAME(code)(a[i], inverse, top), steps = a[i] * inverse, vr = r * q->v[i];
        const i32 on = a[i] > 0.0f, middle = on & (steps <= top);
        acc[1 + i] += alpha * code * r;
        c[4 * i] = select(on, vr, (f32){0});
        c[4 * i + 1] = select(middle, vr, (f32){0});
        c[4 * i + 2] = vr;
        scalars[1] += vr * code;
        scalars[2] += select(steps > top, vr, (f32){0});
        scalars[3] += c[4 * i + 1];
        scalars[4] += c[4 * i + 1] * steps;
        // Row i on its kink k: a_i = kα, so b_i is that of PZ_i plus kακ; σ_i is the mean of its two sides.
        const float own = q->v[i] * alpha, target = q->v_star[i] * q->alpha_star;
        const f32 rest = r - own * code + target * NAME(code)(b[i], inverse_star, top), base = b[i] - k->kappa * a[i];
        f32 sum = {0}, weighted = {0};
        for (int level = 0; level < q->levels; ++level) {
            const f32 there = NAME(code)(base + (float)level * alpha * k->kappa, inverse_star, top) * k->density[level];
            sum += there;
            weighted += (float)level * there;
        }
        c[4 * i + 3] = q->v[i] * (rest * k->sums[0] + own * k->sums[1] - target * sum);
        scalars[0] += q->v[i] * (rest * k->sums[2] + own * k->sums[3] - target * weighted);
    }
}

/// acc[k·n + j] += Σ_i z[i][j] c[i][k]; four columns at a time keep 16 sums in registers.
INLINE void NAME(gather)(size_t m, size_t n, const f32 *z, const f32 *c, f32 *acc) {
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        f32 s[4][4] = {{{0}}};
        for (size_t i = 0; i < m; ++i)
#pragma clang loop unroll(full)
            for (int k = 0; k < 4; ++k)
#pragma clang loop unroll(full)
                for (int column = 0; column < 4; ++column) s[k][column] += z[i * n + j + column] * c[4 * i + k];
        for (int k = 0; k < 4; ++k)
            for (int column = 0; column < 4; ++column) acc[k * n + j + column] += s[k][column];
    }
    for (; j < n; ++j) {
        f32 s[4] = {{0}};
        for (size_t i = 0; i < m; ++i)
            for (int k = 0; k < 4; ++k) s[k] += z[i * n + j] * c[4 * i + k];
        for (int k = 0; k < 4; ++k) acc[k * n + j] += s[k];
    }
}

/// One block of samples: its mean statistics into x (dimension d). `work` holds the vectors z, a, b, c and acc.
static void NAME(block)(const ck_two_layer_model *q, const struct constants *k, ck_sample_range range, size_t samples,
                        void *work, double *x) {
    const size_t m = (size_t)q->m, n = (size_t)q->n, d = ck_monte_carlo_dimension(q->m, q->n, q->levels), entries = drawn(q);
    f32 *z = work, *a = z + padded(entries), *b = a + m, *c = b + m, *acc = c + 4 * m;
    for (size_t i = 0; i < d; ++i) acc[i] = (f32){0};
    for (size_t s = 0; s < samples; s += CK_MONTE_CARLO_LANES) {
        NAME(normals)(range.seed, range.experiment, range.first_sample + s, entries, z);
        if (q->law != CK_ROWS_GAUSSIAN) NAME(rescale)(q, z);
        NAME(project)(q, z, a, b);
        if (q->levels) {
            NAME(weigh_levels)(q, k, a, b, c, acc, acc + d - CK_MONTE_CARLO_SCALARS);
        } else {
            NAME(weigh)(q, k->kappa, a, b, c, acc);
        }
        NAME(gather)(m, n, z, c, acc + 1 + m);
    }
    for (size_t i = 0; i < d; ++i) {
        double sum = 0;
        for (int lane = 0; lane < CK_MONTE_CARLO_LANES; ++lane) sum += acc[i][lane];
        x[i] = sum / (double)samples;
    }
}

/// sums += x, products += x xᵀ (lower triangle).
static void NAME(accumulate)(size_t d, const double *x, double *sums, double *products) {
    for (size_t k = 0; k < d; ++k) sums[k] += x[k];
    if (!products) return;
    for (size_t k = 0; k < d; ++k)
        for (size_t l = 0; l <= k; ++l) products[k * d + l] += x[k] * x[l];
}

static double NAME(generate)(ck_sample_range range, size_t samples, size_t entries, void *work) {
    f32 *z = work, sum = {0};
    for (size_t s = 0; s < samples; s += CK_MONTE_CARLO_LANES) {
        NAME(normals)(range.seed, range.experiment, range.first_sample + s, entries, z);
        for (size_t k = 0; k < entries; ++k) sum += z[k];
    }
    double total = 0;
    for (int lane = 0; lane < CK_MONTE_CARLO_LANES; ++lane) total += sum[lane];
    return total;
}

static void NAME(normals_into)(ck_sample_range range, size_t entries, void *z) {
    NAME(normals)(range.seed, range.experiment, range.first_sample, entries, z);
}

static const struct monte_carlo_kernel NAME(kernel) = {
    NAME(normals_into), NAME(block), NAME(accumulate), NAME(generate)};

#undef f32
#undef i32
#undef u32
#undef u64
#undef select
#undef INLINE
