// SPDX-License-Identifier: GPL-3.0-or-later
#include "allocations.h"

#include <stdatomic.h>

static atomic_size_t count, bytes, largest;

static inline __attribute__((always_inline)) void note(size_t size) {
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes, size, memory_order_relaxed);
    size_t most = atomic_load_explicit(&largest, memory_order_relaxed);
    while (size > most && !atomic_compare_exchange_weak_explicit(&largest, &most, size, memory_order_relaxed, memory_order_relaxed)) {}
}

struct allocations allocations_so_far(void) { return (struct allocations){count, bytes, atomic_exchange(&largest, 0)}; }

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
// A sanitizer stands before glibc itself, and must stay there to check anything: it calls us.
extern int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));

#define PLAIN __attribute__((no_sanitize("address", "thread", "memory")))

PLAIN static void allocated(const volatile void *start, size_t size) {
    (void)start;
    note(size);
}
PLAIN static void freed(const volatile void *start) { (void)start; }

__attribute__((constructor)) static void install(void) { __sanitizer_install_malloc_and_free_hooks(allocated, freed); }

void allocations_guard(size_t bytes) { (void)bytes; }
size_t allocations_overrun(void) { return 0; }

#elif defined(__GLIBC__)
// The whole family, as glibc asks of whoever replaces a part of it ("Replacing malloc" in its manual): what is allocated here
// must be freed here, whatever else stands before glibc.
#include <errno.h>
#include <unistd.h>
#include "guard.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

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
    check(old);
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    note(size);
    size_t more = guarded_tail(size);
    return guarded(__libc_memalign(alignment, size + more), size, more);
}

void free(void *start) {
    check(start);
    __libc_free(start);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
void *valloc(size_t size) { return memalign((size_t)sysconf(_SC_PAGESIZE), size); }
void *pvalloc(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return memalign(page, (size + page - 1) / page * page);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *start = memalign(alignment, size);
    if (start) *result = start;
    return start ? 0 : ENOMEM;
}
#endif
