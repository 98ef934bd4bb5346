// SPDX-License-Identifier: GPL-3.0-or-later
#include "parallel.h"
#include <stdlib.h>
#include <unistd.h>

// libgomp's entry points, declared here because clang has no omp.h of GCC's.
extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern void omp_set_num_threads(int);

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
};

static void run(void *data) {
    const struct job *job = data;
    ACQUIRE(job);
    job->body(job->context, omp_get_thread_num(), omp_get_num_threads());
    RELEASE(job);
}

void ck_parallel(int threads, void (*body)(void *, int, int), void *context) {
    if (threads <= 1) {
        body(context, 0, 1);
        return;
    }
    struct job job = {body, context};
    RELEASE(&job);
    GOMP_parallel(run, &job, (unsigned)threads, 0);
    ACQUIRE(&job);
}

void ck_set_openmp_threads(int threads) { omp_set_num_threads(threads); }

void ck_sleep_when_idle(char *const arguments[]) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", arguments);
    // Where that fails the program runs on, only slower on a busy machine.
}
