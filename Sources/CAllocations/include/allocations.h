// SPDX-License-Identifier: GPL-3.0-or-later
// Counts the memory allocations of the process: linked into a program, its malloc family stands before glibc's; in a build
// with a sanitizer, that one's does, and tells of each allocation.
#pragma once
#include <stddef.h>

struct allocations {
    size_t count, bytes, largest;  // largest since the last call
};

/// Allocations since the process started, by all threads.
struct allocations allocations_so_far(void);
