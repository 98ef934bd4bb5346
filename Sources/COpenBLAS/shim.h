// SPDX-License-Identifier: GPL-3.0-or-later
// What the facades (Statistics: f64, Compute: f32) need of OpenBLAS, declared here: the enums of <cblas.h> clash with those of
// gsl_cblas.h, which GSL's matrices pull in, and Debian's package has no LAPACK header.
#pragma once
#include <stddef.h>

enum { COPENBLAS_ROW_MAJOR = 101, COPENBLAS_PLAIN = 111, COPENBLAS_TRANSPOSED = 112 };

/// C = α·op(A)·op(B) + β·C, row-major; β = 0 overwrites C, whatever it held.
void copenblas_sgemm(
    int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int row_a, const float *b,
    int row_b, float beta, float *c, int row_c) __asm__("cblas_sgemm");
void copenblas_dgemm(
    int layout, int transpose_a, int transpose_b, int m, int n, int k, double alpha, const double *a, int row_a, const double *b,
    int row_b, double beta, double *c, int row_c) __asm__("cblas_dgemm");
/// y = α·op(A)·x + β·y, A [m, n] before transposition.
void copenblas_dgemv(
    int layout, int transpose, int m, int n, double alpha, const double *a, int row_a, const double *x, int step_x, double beta,
    double *y, int step_y) __asm__("cblas_dgemv");

// LAPACK is column-major: "U" names the lower triangle of a row-major symmetric matrix. The last arguments are Fortran's hidden
// lengths of the letters.
void dpotrf_(const char *triangle, const int *n, double *a, const int *row_a, int *info, size_t letters);
void dpotrs_(
    const char *triangle, const int *n, const int *columns_b, const double *a, const int *row_a, double *b, const int *row_b,
    int *info, size_t letters);
void dsyev_(
    const char *vectors, const char *triangle, const int *n, double *a, const int *row_a, double *values, double *work,
    const int *work_length, int *info, size_t letters_1, size_t letters_2);

/// The lower triangle of `a` [n, n] becomes Cholesky's factor. Returns 0, i where the leading minor of order i is not positive, or -i
/// for a bad argument i.
static inline int copenblas_cholesky(int n, double *a) {
    int info = 0;
    dpotrf_("U", &n, a, &n, &info, 1);
    return info;
}
/// x = A⁻¹ x with the factor of A. Returns 0, or -i for a bad argument i.
static inline int copenblas_cholesky_solve(int n, const double *factor, double *x) {
    int info = 0, one = 1;
    dpotrs_("U", &n, &one, factor, &n, x, &n, &info, 1);
    return info;
}
/// Eigenvalues of the lower triangle of `a`, which is overwritten, ascending. `work`: 3n - 1 numbers, the least that it takes (the blocked
/// form gains nothing at our sizes). Returns 0, i where i entries beside the diagonal did not vanish, or -i for a bad argument i.
static inline int copenblas_symmetric_eigenvalues(int n, double *a, double *values, double *work) {
    int info = 0, length = 3 * n - 1;
    dsyev_("N", "U", &n, a, &n, values, work, &length, &info, 1, 1);
    return info;
}

/// Its version, options and kernels, in words.
const char *openblas_get_config(void);

/// How the installed build runs: 0 alone, 1 on a pool of its own (pthreads), 2 on OpenMP's threads.
int openblas_get_parallel(void);
int openblas_get_num_threads(void);
void openblas_set_num_threads(int threads);
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);

/// Between these two calls OpenBLAS runs on the calling thread alone, whichever of its builds is installed; the facades share work
/// between threads themselves. A pool of pthreads beside OpenMP's would have two threads fight for each core, and with OpenMP's own,
/// openblas_set_num_threads frees buffers that calls of other threads are using: it is never called there.
static inline int copenblas_enter(void) {
    if (openblas_get_parallel() == 1 && openblas_get_num_threads() != 1) openblas_set_num_threads(1);
    int before = omp_get_max_threads();  // of the calling thread, as is the next
    omp_set_num_threads(1);
    return before;
}
static inline void copenblas_leave(int before) { omp_set_num_threads(before); }
