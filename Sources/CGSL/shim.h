// SPDX-License-Identifier: GPL-3.0-or-later
// What the Statistics facade needs of GSL. <gsl/gsl_randist.h> is left out on purpose: it pulls in
// gsl_cblas.h, whose enums clash with every other cblas.h. No pkg-config entry for the same reason.
#pragma once
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_eigen.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_qrng.h>

static inline void cgsl_error_handler_off(void) { gsl_set_error_handler_off(); }

// GSL's algorithm objects are mutable C globals, which Swift 6 refuses: they are handed over by functions.
static inline gsl_multimin_fminimizer *cgsl_nelder_mead(size_t n) {
    return gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, n);
}
static inline gsl_qrng *cgsl_halton(unsigned dimension) { return gsl_qrng_alloc(gsl_qrng_halton, dimension); }
