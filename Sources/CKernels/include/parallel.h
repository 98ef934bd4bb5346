// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>

/// Runs `body(context, worker, workers)` once for each of `threads` workers, side by side, and waits for all; workers must not
/// wait for each other. `workers` is always `threads`, so results do not depend on how many threads OpenMP really starts.
/// The workers are libgomp's, shared with oneDNN, so there is never a second pool on the same cores.
void ck_parallel(int threads, void (*body)(void *context, int worker, int workers), void *context);

/// The thread count that OpenMP regions started from the calling thread (oneDNN's) will use.
void ck_set_openmp_threads(int threads);

/// How many of `threads` threads a region started from the calling thread really gets.
int ck_delivered_threads(int threads);

/// Processors that the process may run on.
int ck_affinity_count(void);

/// Makes idle workers sleep after a thousand spins (a few microseconds), unless the environment already says how they wait
/// (OMP_WAIT_POLICY or GOMP_SPINCOUNT). libgomp reads that before `main`, so the process starts itself again, once: call it
/// first thing. Endless spinning, libgomp's default, makes a training step ten times slower and more where other processes
/// share the cores; sleeping at once makes it a sixth slower where none do (ResNet-20, 2 threads: 45 ms against 38).
void ck_sleep_when_idle(char *const arguments[]);

/// The half-open part [*begin, *end) of 0..<count that belongs to `worker`: sizes differ by at most one,
/// and depend on nothing but the arguments, so that results repeat bit for bit.
static inline void ck_share(size_t count, int worker, int workers, size_t *begin, size_t *end) {
    *begin = count * (size_t)worker / (size_t)workers;
    *end = count * ((size_t)worker + 1) / (size_t)workers;
}
