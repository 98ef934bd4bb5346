// SPDX-License-Identifier: GPL-3.0-or-later
// Faults made on purpose: what shows that a sanitizer would have found them elsewhere. Nothing but the fuzzer calls them.
#pragma once
#include <stddef.h>

/// Which sanitizers this was compiled with, such as "address undefined"; empty for none.
const char *planted_sanitizers(void);

/// Writes one byte behind `count` allocated ones. Without the address sanitizer nothing is seen of it.
void planted_write_out_of_bounds(size_t count);

/// Adds 1 to the largest `int`.
int planted_signed_overflow(int largest);

/// Two threads add to one counter without any order between them.
int planted_data_race(void);

/// Allocates so many bytes and frees them.
void planted_allocation(size_t count);
