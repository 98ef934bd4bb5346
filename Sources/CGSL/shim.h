// SPDX-License-Identifier: GPL-3.0-or-later
// What the Statistics facade needs of GSL. <gsl/gsl_randist.h> is left out on purpose: it pulls in
// gsl_cblas.h, whose enums clash with every other cblas.h. No pkg-config entry for the same reason.
#pragma once
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>

static inline void cgsl_error_handler_off(void) { gsl_set_error_handler_off(); }
