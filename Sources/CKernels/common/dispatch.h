// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/// Compiles a function once for each x86-64 level and lets the loader pick (AVX-512, AVX2, baseline);
/// on other processors, and where the loader cannot pick, the one portable version. Under the thread sanitizer it cannot:
/// what picks is instrumented too, and runs before the sanitizer has started.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#pragma clang diagnostic ignored "-Wpass-failed"  // checked loops are not vectorised, which is no news then
#endif
