// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE  // sched_getaffinity
#include "parallel.h"
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

// libgomp's entry points, declared here because clang has no omp.h of GCC's.
extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern void omp_set_num_threads(int);
extern void omp_set_dynamic(int);

// The thread sanitizer does not see how libgomp's threads wait for each other, and is told.
#if __has_feature(thread_sanitizer)
extern void __tsan_acquire(void *), __tsan_release(void *);
#define ACQUIRE(job) __tsan_acquire((void *)(job))
#define RELEASE(job) __tsan_release((void *)(job))
#else
#define ACQUIRE(job)
#define RELEASE(job)
#endif

struct job {
    void (*body)(void *, int, int);
    void *context;
    int workers;
};

// OpenMP may start fewer threads than it was asked for: those that there are do the others' parts.
static void run(void *data) {
    const struct job *job = data;
    ACQUIRE(job);
    int threads = omp_get_num_threads();
    for (int worker = omp_get_thread_num(); worker < job->workers; worker += threads) job->body(job->context, worker, job->workers);
    RELEASE(job);
}

void ck_parallel(int threads, void (*body)(void *, int, int), void *context) {
    if (threads <= 1) {
        body(context, 0, 1);
        return;
    }
    struct job job = {body, context, threads};
    RELEASE(&job);
    GOMP_parallel(run, &job, (unsigned)threads, 0);
    ACQUIRE(&job);
}

void ck_set_openmp_threads(int threads) {
    omp_set_dynamic(0);  // OMP_DYNAMIC would let the number follow the load
    omp_set_num_threads(threads);
}

static void count(void *data) {
    if (omp_get_thread_num() == 0) *(int *)data = omp_get_num_threads();
}

int ck_delivered_threads(int threads) {
    int delivered = 1;
    omp_set_dynamic(0);
    if (threads > 1) GOMP_parallel(count, &delivered, (unsigned)threads, 0);
    return delivered;
}

int ck_affinity_count(void) {
#ifdef __linux__
    for (int most = 1024; most <= 1 << 16; most *= 2) {  // the kernel refuses sets smaller than its own
        cpu_set_t *set = CPU_ALLOC(most);
        if (!set) break;
        int known = sched_getaffinity(0, CPU_ALLOC_SIZE(most), set) == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(most), set) : 0;
        CPU_FREE(set);
        if (known > 0) return known;
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

void ck_sleep_when_idle(char *const arguments[]) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", arguments);
    // Where that fails the program runs on, only slower on a busy machine.
}
