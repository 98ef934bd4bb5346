// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels of integer inference, every path that this processor has, against the definition in inference.h as plain loops,
// bit for bit: random shapes and sums at their largest, fixed seeds. One line a path: its name, cases, and how many differ. Exit
// status 1 where one differs, or a path had no case. It needs C alone, so it runs where the package does not; .ci/kernels builds it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpu.h"
#include "inference.h"

// MARK: Numbers

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
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p) exit(2);
    memset(p, 0x55, (bytes + 127) / 64 * 64);
    return p;
}

static size_t side_of(size_t side, size_t kernel, size_t stride, size_t padding) { return (side + 2 * padding - kernel) / stride + 1; }

// MARK: A unit and what it makes

enum content { RANDOM, LARGEST, SMALLEST };  // of levels and integer weights, or all at their largest, of one sign

/// Of a convolution unit or, where `first.kernel` is not 0, of a first unit.
struct problem {
    struct ck_unit unit;
    struct ck_first_unit first;
    int8_t *integer_weights;
    float *weights, *table, *a, *b;  // [O, I, K, K], and the first unit's table
    uint8_t *x;
    void *shortcut;
    int wide;
    size_t height, width, outputs, bytes;  // of y
    uint8_t *y;                            // by the definition
};

static float *floats(size_t count, float scale, float shift) {
    float *p = room(count * sizeof *p);
    for (size_t i = 0; i < count; i++) p[i] = scale * uniform() + shift;
    return p;
}

/// Result `at` of channel o from its sum.
static void finish(const struct problem *p, float sum, size_t at, size_t o) {
    const struct ck_unit *u = &p->unit;
    float t = fmaf(p->a[o], sum, p->b[o]);
    if (p->shortcut) t = fmaf(u->step, p->wide ? ((float *)p->shortcut)[at] : (float)((uint8_t *)p->shortcut)[at], t);
    if (!u->to_levels) {
        ((float *)p->y)[at] = t;
        return;
    }
    float level = fminf(fmaxf(ceilf(t), 0), u->qmax);
    p->y[at] = (uint8_t)level;
}

/// The definition, for both kinds: a convolution's sum is an integer, a first unit's is made of f32 in this order.
static void define(struct problem *p) {
    int is_first = p->first.kernel > 0;
    size_t height = is_first ? p->first.height : p->unit.height, width = is_first ? p->first.width : p->unit.width;
    size_t inputs = is_first ? p->first.input_channels : p->unit.input_channels;
    size_t kernel = is_first ? p->first.kernel : p->unit.kernel, stride = is_first ? p->first.stride : p->unit.stride;
    size_t padding = is_first ? p->first.padding : kernel / 2;
    for (size_t at = 0; at < p->height * p->width * p->outputs; at++) {
        size_t o = at % p->outputs, column = at / p->outputs % p->width, row = at / p->outputs / p->width;
        int32_t sum = 0;
        float first_sum = 0;
        for (size_t r = 0; r < kernel; r++)
            for (size_t s = 0; s < kernel; s++) {
                size_t h = row * stride + r - padding, w = column * stride + s - padding;  // below 0 wraps to a huge number
                if (h >= height || w >= width) continue;
                const uint8_t *x = p->x + (h * width + w) * inputs;
                size_t tap = o * inputs * kernel * kernel + r * kernel + s;
                for (size_t i = 0; i < inputs; i++) {
                    size_t weight = tap + i * kernel * kernel;
                    if (is_first) first_sum = fmaf(p->table[256 * i + x[i]], p->weights[weight], first_sum);
                    else sum += x[i] * p->integer_weights[weight];
                }
            }
        finish(p, is_first ? first_sum : (float)sum, at, o);
    }
}

static void finish_problem(struct problem *p) {
    p->bytes = p->height * p->width * p->outputs * (p->unit.to_levels ? 1 : sizeof(float));
    p->y = room(p->bytes);
    define(p);
}

struct shape {
    size_t height, width, inputs, outputs, kernel, stride;
};

static struct problem convolution(struct shape s, int weight_bits, int level_bits, enum content content) {
    size_t height = s.height, width = s.width, inputs = s.inputs, outputs = s.outputs, kernel = s.kernel, stride = s.stride;
    int qmax = (1 << level_bits) - 1, code = weight_bits == 1 ? 1 : weight_bits == 8 ? 128 : (1 << (weight_bits - 1)) - 1;
    struct problem p = {
        .unit = {.height = height, .width = width, .input_channels = inputs, .output_channels = outputs, .kernel = kernel, .stride = stride,
                 .input_qmax = qmax, .largest_integer_weight = code, .binary = weight_bits == 1, .step = 0.37f,
                 .qmax = (float)((1 << between(1, 8)) - 1), .to_levels = next() % 3 > 0},
        .height = side_of(height, kernel, stride, kernel / 2), .width = side_of(width, kernel, stride, kernel / 2), .outputs = outputs};
    size_t weights = outputs * inputs * kernel * kernel, levels = height * width * inputs, results = p.height * p.width * outputs;
    p.integer_weights = room(weights), p.x = room(levels);
    for (size_t i = 0; i < weights; i++) {
        int weight = content == LARGEST ? code : content == SMALLEST ? -code : (int)between(0, (size_t)(2 * code)) - code;
        if (content == RANDOM && weight_bits == 1) weight = next() & 1 ? 1 : -1;
        p.integer_weights[i] = (int8_t)(weight > 127 ? 127 : weight);
    }
    for (size_t i = 0; i < levels; i++) p.x[i] = (uint8_t)(content == RANDOM ? (int)between(0, (size_t)qmax) : qmax);
    p.a = floats(outputs, (content == RANDOM ? 8.f : 0.01f) / (float)(qmax * code), 0), p.b = floats(outputs, 8, 8);
    p.wide = (int)between(0, 2) - 1;  // −1: no shortcut
    if (p.wide == 1) p.shortcut = floats(results, 8, 0);
    if (p.wide == 0) {
        p.shortcut = room(results);
        for (size_t i = 0; i < results; i++) ((uint8_t *)p.shortcut)[i] = (uint8_t)next();
    }
    finish_problem(&p);
    return p;
}

static struct problem first_unit(void) {
    size_t kernel = between(1, 7), stride = between(1, 3), padding = between(0, kernel / 2);
    size_t channels = between(1, 4), outputs = 16 * between(1, 3);
    size_t height = between(kernel, kernel + 8), width = between(kernel, kernel + 20);
    struct problem p = {
        .unit = {.qmax = 15, .to_levels = 1}, .wide = -1, .outputs = outputs,
        .first = {.height = height, .width = width, .input_channels = channels, .output_channels = outputs, .kernel = kernel,
                  .stride = stride, .padding = padding, .qmax = 15},
        .height = side_of(height, kernel, stride, padding), .width = side_of(width, kernel, stride, padding)};
    p.weights = floats(outputs * channels * kernel * kernel, 1, 0), p.table = floats(256 * channels, 2, 0);
    p.a = floats(outputs, 2, 0), p.b = floats(outputs, 8, 8);
    p.x = room(height * width * channels);
    for (size_t i = 0; i < height * width * channels; i++) p.x[i] = (uint8_t)next();
    finish_problem(&p);
    return p;
}

static void end(struct problem *p) {
    void *rooms[] = {p->integer_weights, p->weights, p->table, p->a, p->b, p->x, p->shortcut, p->y};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) free(rooms[i]);
}

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

/// Whether the path makes what the definition makes, in two parts, and writes nothing beside it.
static int agrees(const struct problem *p, enum ck_unit_path path) {
    uint8_t *y = room(p->bytes + 2 * GUARD), guard[GUARD];
    memset(guard, 0x55, GUARD);
    (p->first.kernel ? run_first : run_convolution)(p, path, y + GUARD, p->height / 3);
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

static void check(struct problem p, struct way *ways, int count) {
    for (struct way *way = ways; way < ways + count; way++) {
        if (!p.first.kernel && !ck_unit_fits(&p.unit, way->path)) continue;
        ck_limit_thread(way->isa);
        way->cases++;
        way->differing += !agrees(&p, way->path);
        ck_limit_thread(CK_ISA_COUNT);
    }
    end(&p);
}

/// On both sides of the paths' limits: 15·9·970/2 < 2¹⁶ and 15·8738/2 < 2¹⁶ (tables), 15·9·485 < 2¹⁶ and 15·3·1456 < 2¹⁶ (those of
/// NEON), 2·127·128 ≤ 32 767 and 9·2·255·7 ≤ 32 767 (bytes), levels of 7 bits (sdot).
static const struct {
    int weight_bits, level_bits;
    size_t inputs, kernel;
} EXTREMES[] = {
    {1, 4, 960, 3}, {1, 4, 976, 3}, {1, 4, 8736, 1}, {1, 4, 8752, 1}, {1, 4, 480, 3}, {1, 4, 496, 3}, {1, 4, 1456, 3}, {1, 4, 1472, 3},
    {1, 4, 4368, 1}, {1, 4, 4384, 1}, {1, 5, 512, 3}, {1, 8, 512, 3}, {2, 4, 1024, 3}, {2, 8, 512, 3}, {4, 8, 512, 3}, {8, 7, 512, 3},
    {2, 4, 480, 3}, {2, 4, 496, 3}, {2, 4, 4368, 1}, {2, 4, 4384, 1},
    {8, 8, 512, 3}, {8, 4, 512, 3}, {3, 8, 1024, 3}, {1, 4, 64, 1}, {1, 4, 64, 3}, {8, 8, 2048, 1}, {8, 7, 64, 1}, {4, 8, 48, 3},
};

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

    for (int i = 0; i < count; i++) {
        printf("%s%s%s: %d cases, %d differing\n", ck_unit_path_name(list[i].path), list[i].isa == CK_ISA_COUNT ? "" : " compiled for ",
               list[i].isa == CK_ISA_COUNT ? "" : ck_isa_name(list[i].isa), list[i].cases, list[i].differing);
        failed |= list[i].differing > 0 || list[i].cases <= 120;
    }
    for (enum ck_unit_path path = 0; path < CK_UNIT_PATH_COUNT; path++)
        if (ck_unit_path_name(path) && !ck_unit_has_path(path))
            printf("%s: this processor has not what it needs\n", ck_unit_path_name(path));
    return failed;
}
