// SPDX-License-Identifier: GPL-3.0-or-later
// Blocks that are followed by bytes nobody may write, and hold no zeros at first.
#pragma once
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "allocations.h"

enum { MOST_BLOCKS = 1 << 14, LEAST_SIZE = 1024, NO_ZERO = 0x7f };

static struct block {
    unsigned char *start;
    size_t size, tail;
} blocks[MOST_BLOCKS];
static atomic_size_t tail, overrun, held;
static size_t used;  // blocks[used] and those after it are free
static atomic_uintptr_t lowest = UINTPTR_MAX, highest;  // of all starts so far
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void begin(void) {
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}
static void end(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

void allocations_guard(size_t bytes) { tail = bytes; }
size_t allocations_overrun(void) { return atomic_exchange(&overrun, 0); }

// How many bytes more to ask for.
static size_t guarded_tail(size_t size) { return size < LEAST_SIZE ? 0 : atomic_load_explicit(&tail, memory_order_relaxed); }

static void *guarded(void *start, size_t size, size_t more) {
    if (!start || !more) return start;
    memset(start, NO_ZERO, size + more);
    begin();
    size_t i = 0;
    while (i < MOST_BLOCKS && blocks[i].start) i++;
    if (i < MOST_BLOCKS) {
        blocks[i] = (struct block){start, size, more};
        held++;
        if (used <= i) used = i + 1;
        if ((uintptr_t)start < lowest) lowest = (uintptr_t)start;
        if ((uintptr_t)start > highest) highest = (uintptr_t)start;
    }
    end();
    return start;
}

// To be called before a block is freed or moved.
static void check(void *start) {
    if ((uintptr_t)start < lowest || (uintptr_t)start > highest || !atomic_load_explicit(&held, memory_order_relaxed)) return;
    begin();
    for (size_t i = 0; i < used; i++) {
        struct block b = blocks[i];
        if (b.start != start) continue;
        size_t kept = 0;
        while (kept < b.tail && b.start[b.size + kept] == NO_ZERO) kept++;
        if (kept < b.tail) overrun++;
        blocks[i].start = NULL;
        held--;
        break;
    }
    end();
}
