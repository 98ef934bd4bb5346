// SPDX-License-Identifier: GPL-3.0-or-later
#include "cpu.h"
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static const struct {
    const char *name;
    unsigned features;
} SETS[CK_ISA_COUNT] = {
    [CK_PORTABLE] = {"portable", 0},
    [CK_AVX2] = {"avx2", CK_HAS_AVX2},
    [CK_AVX_VNNI] = {"avxvnni", CK_HAS_AVX2 | CK_HAS_AVX_VNNI},
    [CK_AVX512] = {"avx512", CK_HAS_AVX2 | CK_HAS_AVX512},
    [CK_AVX512_VNNI] = {"avx512vnni", CK_HAS_AVX2 | CK_HAS_AVX512 | CK_HAS_AVX512_VNNI},
    [CK_AVX512_VBMI] = {"avx512vbmi", CK_HAS_AVX2 | CK_HAS_AVX512 | CK_HAS_AVX512_VNNI | CK_HAS_AVX512_VBMI},
    [CK_AVX512_BF16] = {"avx512bf16", CK_HAS_AVX2 | CK_HAS_AVX512 | CK_HAS_AVX512_VNNI | CK_HAS_AVX512_VBMI | CK_HAS_AVX512_BF16},
    [CK_NEON] = {"neon", CK_HAS_NEON},
    [CK_DOTPROD] = {"dotprod", CK_HAS_NEON | CK_HAS_DOTPROD},
    [CK_I8MM] = {"i8mm", CK_HAS_NEON | CK_HAS_DOTPROD | CK_HAS_I8MM},
};

const char *ck_isa_name(enum ck_isa isa) { return SETS[isa].name; }
unsigned ck_isa_features(enum ck_isa isa) { return SETS[isa].features; }

// MARK: The processor

#if defined(__x86_64__)
/// Whether all of `bits` (numbers of bits, up to the first negative one) are set.
static int all(unsigned word, const int *bits) {
    for (; *bits >= 0; bits++)
        if (!(word >> *bits & 1)) return 0;
    return 1;
}
#define ALL(word, ...) all(word, (const int[]){__VA_ARGS__, -1})

/// The registers that the operating system saves and restores (XCR0); 0 where it does not say.
static unsigned saved_registers(unsigned leaf1_c) {
    if (!ALL(leaf1_c, 27)) return 0;  // OSXSAVE
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/// Bits of CPUID and XCR0: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3.
static unsigned processor_features(void) {
    unsigned a, b, c1 = 0, b7 = 0, c7 = 0, d, a71 = 0, ce = 0, unused;
    if (!__get_cpuid(1, &a, &b, &c1, &d) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &unused, &unused, &unused);
    __get_cpuid(0x80000001, &a, &b, &ce, &d);
    unsigned saved = saved_registers(c1), has = 0;
    // SSE and AVX registers; FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
    if (ALL(saved, 1, 2) && ALL(c1, 12, 22, 28, 29) && ALL(b7, 3, 5, 8) && ALL(ce, 5)) has |= CK_HAS_AVX2;
    if (has && ALL(a71, 4)) has |= CK_HAS_AVX_VNNI;
    // Mask registers, upper halves, upper 16 registers; F, DQ, CD, BW, VL.
    if (has && ALL(saved, 5, 6, 7) && ALL(b7, 16, 17, 28, 30, 31)) {
        has |= CK_HAS_AVX512;
        if (ALL(c7, 11)) has |= CK_HAS_AVX512_VNNI;
        if (ALL(c7, 1)) has |= CK_HAS_AVX512_VBMI;
        if (ALL(a71, 5)) has |= CK_HAS_AVX512_BF16;
    }
    return has;
}
#elif defined(__aarch64__) && defined(__linux__)
/// Bits of AT_HWCAP and AT_HWCAP2: Linux, arch/arm64/include/uapi/asm/hwcap.h (ASIMD; ASIMDDP; I8MM).
static unsigned processor_features(void) {
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    unsigned has = first >> 1 & 1 ? CK_HAS_NEON : 0;
    if (has && first >> 20 & 1) has |= CK_HAS_DOTPROD;
    if (has && second >> 13 & 1) has |= CK_HAS_I8MM;
    return has;
}
#else
static unsigned processor_features(void) { return 0; }
#endif

// MARK: What may be used of it

static enum ck_isa isa_named(const char *name) {
    int isa = 0;
    while (isa < CK_ISA_COUNT && strcmp(SETS[isa].name, name) != 0) isa++;
    return (enum ck_isa)isa;
}

const char *ck_unknown_isa(void) {
    const char *name = getenv("BCGD_ISA");
    return name && isa_named(name) == CK_ISA_COUNT ? name : NULL;
}

static unsigned usable_features(void) {
    const char *name = getenv("BCGD_ISA");
    if (!name) return processor_features();
    enum ck_isa isa = isa_named(name);
    return isa == CK_ISA_COUNT ? 0 : processor_features() & SETS[isa].features;
}

static _Thread_local enum ck_isa thread_limit = CK_ISA_COUNT;

enum ck_isa ck_limit_thread(enum ck_isa isa) {
    enum ck_isa before = thread_limit;
    thread_limit = isa;
    return before;
}

unsigned ck_features(void) {
    enum { KNOWN = 1u << 31 };
    static unsigned known;  // the same whoever finds it first
    unsigned features = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!features) __atomic_store_n(&known, features = usable_features() | (unsigned)KNOWN, __ATOMIC_RELAXED);
    features &= ~(unsigned)KNOWN;
    return thread_limit == CK_ISA_COUNT ? features : features & SETS[thread_limit].features;
}
