// SPDX-License-Identifier: GPL-3.0-or-later
#include "allocations.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <errno.h>
#include <stdatomic.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_size_t count, bytes, largest;

static void note(size_t size) {
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
    size_t most = atomic_load_explicit(&largest, memory_order_relaxed);
    while (size > most && !atomic_compare_exchange_weak_explicit(&largest, &most, size, memory_order_relaxed, memory_order_relaxed)) {}
}

void *malloc(size_t size) {
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    note(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    note(size);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    *result = memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}

struct allocations allocations_so_far(void) { return (struct allocations){count, bytes, atomic_exchange(&largest, 0)}; }
#else
struct allocations allocations_so_far(void) { return (struct allocations){0}; }
#endif
