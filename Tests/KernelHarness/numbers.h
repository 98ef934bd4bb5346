// SPDX-License-Identifier: GPL-3.0-or-later
// Random numbers of a seed, and room for them.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/// splitmix64 (Steele, Lea, Flood 2014).
static uint64_t next(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t between(size_t low, size_t high) { return low + next() % (high - low + 1); }
static float uniform(void) { return (float)(next() >> 40) * 0x1p-23f - 1; }  // [−1, 1)

static void *room(size_t bytes) {
    void *p;  // of no more than was asked for, so that an address sanitizer sees what is touched beyond
    if (posix_memalign(&p, 64, bytes)) exit(2);
    memset(p, 0x55, bytes);
    return p;
}
