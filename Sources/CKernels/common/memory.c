// SPDX-License-Identifier: GPL-3.0-or-later
#include "memory.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

size_t ck_allocated_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

size_t ck_reusable_bytes(void) { return mallinfo2().fordblks; }
#else
size_t ck_allocated_bytes(void) { return 0; }
size_t ck_reusable_bytes(void) { return 0; }
#endif
