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

/// From now on aligned blocks of 1 KiB and more are filled with 0x7f, a huge number, and followed by so many bytes of it; 0 for none.
/// (Swift's arrays, which are not aligned, take all that an allocator has given.) In a build with a sanitizer this does nothing.
void allocations_guard(size_t bytes);

/// Blocks freed since the last call behind which somebody wrote, though it be a library that no sanitizer sees.
size_t allocations_overrun(void);
