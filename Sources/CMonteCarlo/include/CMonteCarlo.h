// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Laws of Z's rows, all invariant under rotations: N(0,I); Student's t with ν degrees of freedom, independent rows; uniform on the
/// sphere of radius √n; Student's t with one radius for all rows.
typedef enum { CK_ROWS_GAUSSIAN, CK_ROWS_STUDENT, CK_ROWS_SPHERE, CK_ROWS_STUDENT_COMMON } ck_row_law;

/// The two-linear-layer model y = vᵀσ(Zw), y* = v*ᵀσ*(Zw*), Z of m×n entries.
typedef struct {
    int m, n;
    const float *v, *v_star;  // m entries
    const float *w, *w_star;  // n entries
    /// 0: σ(x) = σ*(x) = 1{x > 0}. K, 1 to CK_MONTE_CARLO_MOST_LEVELS: σ(x) = α Σ_{k<K} 1{x > kα}, σ* likewise with α*.
    int levels;
    float alpha, alpha_star;
    ck_row_law law;
    int freedom;  // ν
} ck_two_layer_model;

/// Which random numbers: sample s of the pass is a pure function of (seed, experiment, first_sample + s).
/// Entries 4b … 4b+3 of Z (row-major; then the normals whose squares make Student's radii, ν a row) come from the Philox4x32-10 block with
/// the counter (b, experiment, sample mod 2³², sample / 2³²) and the key `seed`.
typedef struct {
    uint64_t seed;
    uint32_t experiment;
    uint64_t first_sample;
} ck_sample_range;

/// Samples that one vector holds; a block's size is a multiple of it.
enum { CK_MONTE_CARLO_LANES = 16, CK_MONTE_CARLO_MOST_LEVELS = 255, CK_MONTE_CARLO_SCALARS = 5 };

/// One sample's statistics, in this order: loss ½r² (1), σr (m), then Zᵀc (n each) for the coarse gradients
/// with μ′ = 1{a>0}, 1{0<a<1} (with levels: 1{0<a≤Kα}), 1 and for the conditioned kinks, where a = Zw and r = y − y*.
///
/// With levels, c of the kinks is `v_i Σ_k φ(t_k) ρ_ik`, t_k = kα/‖w‖, ρ_ik the mean of r on both sides of row i's kink k (its part in the
/// kink's plane kept); then five sums over i follow: `v_i Σ_k k φ(t_k) ρ_ik`, and v_i r times: the code ceil(a_i/α) clamped to 0 … K,
/// 1{a_i > Kα}, 1{0 < a_i ≤ Kα}, and (a_i/α) 1{0 < a_i ≤ Kα}.
static inline size_t ck_monte_carlo_dimension(int m, int n, int levels) {
    return 1 + (size_t)m + 4 * (size_t)n + (levels ? CK_MONTE_CARLO_SCALARS : 0);
}

/// Into how many chunks so many blocks are cut; fixed, so that sums do not depend on threads or ranks.
size_t ck_monte_carlo_chunks(size_t blocks);

/// Of each of the chunks `first` to `last` − 1, the sums over its blocks of the block means x (dimension d) and of x xᵀ (d×d, row-major,
/// lower triangle). A pass over `blocks` blocks is the sum of those of its chunks, in order.
///
/// A block is `block_size` consecutive samples, a multiple of the lane count. The result does not depend on `threads`.
/// `products` may be NULL. Returns 0, or −1 when memory is short.
int ck_monte_carlo_part(const ck_two_layer_model *model, ck_sample_range range, size_t blocks, size_t block_size, size_t first, size_t last,
                        int threads, double *sums, double *products);

/// Writes the Gaussian entries of `samples` samples (a multiple of the lane count) as out[sample][entry],
/// entry < `entries`. Returns 0, or −1 when memory is short.
int ck_monte_carlo_normals(ck_sample_range range, size_t samples, size_t entries, float *out);

/// Draws the same numbers as a pass over `samples` samples and keeps only their sum: the cost of generation alone. NaN when
/// memory is short.
double ck_monte_carlo_generation_only(ck_sample_range range, size_t samples, size_t entries, int threads);
