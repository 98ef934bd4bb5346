// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels of integer inference, every path that this processor has, against the definition in inference.h as plain loops,
// bit for bit: random shapes and sums at their largest, fixed seeds. One line a path: its name, cases, and how many differ. Exit
// status 1 where one differs, or a path took fewer or more than it can. It needs C alone, so it runs where the package does not;
// .ci/kernels builds it.
#include <stdio.h>
#include "cpu.h"
#include "inference.h"
#include "problems.h"

// MARK: By a path

enum { GUARD = 64 };

static void run_convolution(const struct problem *p, enum ck_unit_path path, uint8_t *y, size_t split) {
    struct ck_unit u = p->unit;
    void *packed = room(ck_unit_packed_bytes(u, path)), *scratch = room(ck_unit_scratch_bytes(u, path));
    ck_unit_pack(p->integer_weights, u, path, packed);
    u.packed = packed, u.a = p->a, u.b = p->b;
    ck_unit_run(&u, path, p->x, p->shortcut, p->wide == 1, y, 0, split, scratch);
    ck_unit_run(&u, path, p->x, p->shortcut, p->wide == 1, y, split, p->height, scratch);
    free(packed), free(scratch);
}

static void run_first(const struct problem *p, enum ck_unit_path path, uint8_t *y, size_t split) {
    struct ck_first_unit u = p->first;
    size_t taps = u.kernel * u.kernel, inputs = u.input_channels;
    float *packed = room(u.output_channels * inputs * taps * sizeof *packed);
    void *scratch = room(ck_first_unit_scratch_bytes(u));
    for (size_t o = 0; o < u.output_channels; o++)
        for (size_t i = 0; i < inputs; i++)
            for (size_t tap = 0; tap < taps; tap++)
                packed[((o / 16 * taps + tap) * inputs + i) * 16 + o % 16] = p->weights[(o * inputs + i) * taps + tap];
    u.weights = packed, u.table = p->table, u.a = p->a, u.b = p->b;
    ck_first_unit_run(&u, path, p->x, y, 0, split, scratch);
    ck_first_unit_run(&u, path, p->x, y, split, p->height, scratch);
    free(packed), free(scratch);
}

static void run_bytes(const struct problem *p, enum ck_unit_path path, uint8_t *y, size_t split) {
    struct ck_byte_unit u = p->bytes_unit;
    uint16_t *rows = room(p->height * sizeof *rows), *columns = room(p->width * sizeof *columns);
    struct ck_taps *row_taps = room(p->height * sizeof *row_taps), *column_taps = room(p->width * sizeof *column_taps);
    size_t row_count = ck_border_classes(u.height, u.kernel, u.stride, u.padding, rows, row_taps);
    u.column_class_count = ck_border_classes(u.width, u.kernel, u.stride, u.padding, columns, column_taps);
    float *b = room(row_count * u.column_class_count * u.output_channels * sizeof *b);
    for (size_t at = 0; at < row_count * u.column_class_count * u.output_channels; at++) {
        size_t place = at / u.output_channels, columns_of = u.column_class_count;
        b[at] = border_b(
            p, as_number(row_taps[place / columns_of]), as_number(column_taps[place % columns_of]), at % u.output_channels);
    }
    void *packed = room(ck_byte_unit_packed_bytes(u, path)), *scratch = room(ck_byte_unit_scratch_bytes(u, path));
    ck_byte_unit_pack(p->integer_weights, u, path, packed);
    u.packed = packed, u.a = p->a, u.b = b, u.row_classes = rows, u.column_classes = columns;
    ck_byte_unit_run(&u, path, p->x, y, 0, split, scratch);
    ck_byte_unit_run(&u, path, p->x, y, split, p->height, scratch);
    free(packed), free(scratch), free(rows), free(columns), free(row_taps), free(column_taps), free(b);
}

/// Whether the path makes what the definition makes, in two parts, and writes nothing beside it.
static int agrees(const struct problem *p, enum ck_unit_path path) {
    uint8_t *y = room(p->bytes + 2 * GUARD), guard[GUARD];
    memset(guard, 0x55, GUARD);
    (p->bytes_unit.kernel ? run_bytes : p->first.kernel ? run_first : run_convolution)(p, path, y + GUARD, p->height / 3);
    int same = !memcmp(y + GUARD, p->y, p->bytes) && !memcmp(y, guard, GUARD) && !memcmp(y + GUARD + p->bytes, guard, GUARD);
    free(y);
    return same;
}

// MARK: All paths

/// A path, and the instruction set that plain C is held to, which has a copy for each of several.
struct way {
    enum ck_unit_path path;
    enum ck_isa isa;
    int cases, differing;
};

static int ways(struct way *to) {
    static const enum ck_isa copies[] = {CK_PORTABLE, CK_AVX2, CK_AVX512};
    int count = 0;
    for (int i = 0; i < 3; i++)
        if ((ck_isa_features(copies[i]) & ~ck_features()) == 0) to[count++] = (struct way){CK_UNIT_PORTABLE, copies[i], 0, 0};
    for (enum ck_unit_path path = CK_UNIT_PORTABLE + 1; path < CK_UNIT_PATH_COUNT; path++)
        if (ck_unit_has_path(path)) to[count++] = (struct way){path, CK_ISA_COUNT, 0, 0};
    return count;
}

static int has_kernel(const struct problem *p, enum ck_unit_path path) {
    if (p->bytes_unit.kernel) return ck_byte_unit_fits(&p->bytes_unit, path);
    return p->first.kernel || ck_unit_fits(&p->unit, path);
}

static void check(struct problem p, struct way *ways, int count) {
    for (struct way *way = ways; way < ways + count; way++) {
        if (!has_kernel(&p, way->path)) continue;
        ck_limit_thread(way->isa);
        way->cases++;
        way->differing += !agrees(&p, way->path);
        ck_limit_thread(CK_ISA_COUNT);
    }
    end(&p);
}

/// On both sides of the paths' limits: 15·9·970/2 < 2¹⁶ and 15·8738/2 < 2¹⁶ (tables), 15·9·485 < 2¹⁶ and 15·3·1456 < 2¹⁶
/// (those of NEON), 2·127·128 ≤ 32 767 and 9·2·255·7 ≤ 32 767 (bytes), levels of 7 bits (sdot).
static const struct {
    int weight_bits, level_bits;
    size_t inputs, kernel;
} EXTREMES[] = {
    {1, 4, 960, 3}, {1, 4, 976, 3}, {1, 4, 8736, 1}, {1, 4, 8752, 1}, {1, 4, 480, 3}, {1, 4, 496, 3}, {1, 4, 1456, 3}, {1, 4, 1472, 3},
    {1, 4, 4368, 1}, {1, 4, 4384, 1}, {1, 5, 512, 3}, {1, 8, 512, 3}, {2, 4, 1024, 3}, {2, 8, 512, 3}, {4, 8, 512, 3}, {8, 7, 512, 3},
    {2, 4, 480, 3}, {2, 4, 496, 3}, {2, 4, 4368, 1}, {2, 4, 4384, 1},
    {8, 8, 512, 3}, {8, 4, 512, 3}, {3, 8, 1024, 3}, {1, 4, 64, 1}, {1, 4, 64, 3}, {8, 8, 2048, 1}, {8, 7, 64, 1}, {4, 8, 48, 3},
};

/// Of main's problems those that the path takes, counted with the limits above: one set too low would only be slower.
static int taken(enum ck_unit_path path) {
    switch (path) {
    case CK_UNIT_AVX2_BYTES: return 985;
    case CK_UNIT_AVX2_TABLES:
    case CK_UNIT_AVX512_TABLES:
    case CK_UNIT_NEON_TABLES: return 240;
    case CK_UNIT_AVX2_TERNARY_TABLES: return 282;
    case CK_UNIT_VBMI_TABLES: return 252;
    case CK_UNIT_SDOT: return 615;
    case CK_UNIT_USMMLA: return 684;
    default: return 1044;
    }
}

int main(void) {
    static const int weight_bits[] = {1, 1, 2, 3, 4, 8};
    struct way list[CK_UNIT_PATH_COUNT + 3];
    int count = ways(list), failed = 0;
    state = 70;
    for (size_t i = 0; i < 480; i++) {
        struct shape shape = {.height = between(1, 11), .width = between(1, 19), .inputs = 16 * between(1, 6),
                              .outputs = 16 * between(1, 3), .kernel = i % 2 ? 1 : 3, .stride = i / 2 % 2 + 1};
        check(convolution(shape, weight_bits[i / 4 % 6], (int)(i / 24 % 8) + 1, RANDOM), list, count);
    }
    for (size_t i = 0; i < sizeof EXTREMES / sizeof *EXTREMES; i++)
        for (enum content content = RANDOM; content <= SMALLEST; content++) {
            struct shape shape = {3, 5, EXTREMES[i].inputs, 16 * (1 + i % 2), EXTREMES[i].kernel, 1};
            check(convolution(shape, EXTREMES[i].weight_bits, EXTREMES[i].level_bits, content), list, count);
        }
    for (size_t i = 0; i < 120; i++) check(first_unit(), list, count);
    for (size_t i = 0; i < 360; i++) check(byte_unit((int)(i % 8) + 1, i < 240 ? RANDOM : i / 8 % 2 ? LARGEST : SMALLEST), list, count);

    for (int i = 0; i < count; i++) {
        int expected = taken(list[i].path);
        printf("%s%s%s: %d cases of %d, %d differing\n", ck_unit_path_name(list[i].path),
               list[i].isa == CK_ISA_COUNT ? "" : " compiled for ", list[i].isa == CK_ISA_COUNT ? "" : ck_isa_name(list[i].isa),
               list[i].cases, expected, list[i].differing);
        failed |= list[i].differing > 0 || list[i].cases != expected;
    }
    for (enum ck_unit_path path = 0; path < CK_UNIT_PATH_COUNT; path++)
        if (ck_unit_path_name(path) && !ck_unit_has_path(path))
            printf("%s: this processor has not what it needs\n", ck_unit_path_name(path));
    return failed;
}
