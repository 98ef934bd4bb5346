// SPDX-License-Identifier: GPL-3.0-or-later
// What the Statistics facade needs of GSL. Neither pkg-config's entry nor the module map names libgslcblas: first on the linker's
// line, its slow cblas_ functions would take the place of OpenBLAS's; so GSL's own calls go to OpenBLAS as well.
#pragma once
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_version.h>

// A mutable C global, too.
static inline const char *cgsl_version(void) { return gsl_version; }

static inline void cgsl_error_handler_off(void) { gsl_set_error_handler_off(); }

// GSL's algorithm objects are mutable C globals, which Swift 6 refuses: they are handed over by functions.
static inline gsl_multimin_fminimizer *cgsl_nelder_mead(size_t n) {
    return gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, n);
}
static inline gsl_qrng *cgsl_halton(unsigned dimension) { return gsl_qrng_alloc(gsl_qrng_halton, dimension); }
