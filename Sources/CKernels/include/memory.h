// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <stddef.h>

/// Bytes that the process has allocated and not freed, by glibc's own account; 0 with another C library.
size_t ck_allocated_bytes(void);

/// Bytes that were freed and that glibc keeps for the process: they can be allocated again without asking the system.
size_t ck_reusable_bytes(void);
