// SPDX-License-Identifier: GPL-3.0-or-later
#include "planted.h"

#include <pthread.h>
#include <stdlib.h>

#if __has_feature(address_sanitizer)
#define ADDRESS "address "
#else
#define ADDRESS ""
#endif
#if __has_feature(thread_sanitizer)
#define THREAD "thread "
#else
#define THREAD ""
#endif
#if __has_feature(undefined_behavior_sanitizer)
#define UNDEFINED "undefined "
#else
#define UNDEFINED ""
#endif

const char *planted_sanitizers(void) { return ADDRESS THREAD UNDEFINED; }

void planted_write_out_of_bounds(size_t count) {
    volatile char *bytes = malloc(count);
    if (!bytes) return;
    bytes[count] = 1;
    free((void *)bytes);
}

int planted_signed_overflow(int largest) {
    volatile int number = largest;
    return number + 1;
}

static int counter;

static void *add(void *unused) {
    for (int i = 0; i < 1000; i++) counter++;
    return unused;
}

int planted_data_race(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, add, NULL) != 0) return 0;
    add(NULL);
    pthread_join(other, NULL);
    return counter;
}

void planted_allocation(size_t count) {
    char *volatile bytes = calloc(1, count);
    free(bytes);
}
