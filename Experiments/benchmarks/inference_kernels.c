// SPDX-License-Identifier: GPL-3.0-or-later
// Times the kernels of integer inference on the 3×3 layers of ResNet-20 and ResNet-18, binary weights and 4-bit levels, one
// thread, best of many: the paths of inference.h, whole units; and a bit-plane convolution (AND, VPOPCNTQ), only its sums,
// from planes that are already there. Then their first layers, of bytes and in f32.
// Experiments/benchmarks/inference_kernels.sh builds and runs it.
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "inference.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *room(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!p) exit(1);
    memset(p, 0, (bytes + 127) / 64 * 64);
    return p;
}

static struct ck_unit unit_of(size_t side, size_t inputs, size_t outputs) {
    return (struct ck_unit){
        .height = side, .width = side, .input_channels = inputs, .output_channels = outputs, .kernel = 3, .stride = 1, .input_qmax = 15,
        .largest_integer_weight = 1, .binary = 1, .qmax = 15, .to_levels = 1};
}

static int fits(enum ck_unit_path path, size_t side, size_t channels) {
    struct ck_unit u = unit_of(side, channels, channels);
    return ck_unit_fits(&u, path);
}

static double unit_seconds(enum ck_unit_path path, size_t side, size_t inputs, size_t outputs, uint8_t *y) {
    struct ck_unit u = unit_of(side, inputs, outputs);
    int8_t *integer_weights = room(outputs * inputs * 9);
    uint8_t *x = room(side * side * inputs);
    float *a = room(4 * outputs), *b = room(4 * outputs);
    srand(1);
    for (size_t i = 0; i < outputs * inputs * 9; i++) integer_weights[i] = rand() % 2 ? 1 : -1;
    for (size_t i = 0; i < side * side * inputs; i++) x[i] = (uint8_t)(rand() % 16);
    for (size_t o = 0; o < outputs; o++) a[o] = (float)(rand() % 100 - 50) * 1e-3f, b[o] = (float)(rand() % 15);
    void *packed = room(ck_unit_packed_bytes(u, path)), *scratch = room(ck_unit_scratch_bytes(u, path));
    ck_unit_pack(integer_weights, u, path, packed);
    u.packed = packed, u.a = a, u.b = b;
    double best = 1e9;
    for (int i = 0; i < (path == CK_UNIT_PORTABLE ? 3 : 100); i++) {
        double start = now();
        ck_unit_run(&u, path, x, NULL, 0, y, 0, side, scratch);
        best = now() - start < best ? now() - start : best;
    }
    free(integer_weights), free(x), free(a), free(b), free(packed), free(scratch);
    return best;
}

/// Four planes of levels against one of weights: Σ over planes of 2^plane · popcount(plane & weights), eight output channels
/// and four positions at a time. x is [rows + 2][columns + 2][I/64][plane], w [O/8][tap][I/64][8].
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq")))
static void bit_planes(const uint64_t *x, const uint64_t *w, int32_t *y, size_t side, size_t inputs, size_t outputs) {
    size_t groups = inputs / 64, row = (side + 2) * groups * 4;
    for (size_t o = 0; o < outputs; o += 8)
        for (size_t h = 0; h < side; h++)
            for (size_t c = 0; c < side; c += 4) {
                __m512i sums[4][4];
                for (int p = 0; p < 4; p++)
                    for (int b = 0; b < 4; b++) sums[p][b] = _mm512_setzero_si512();
                for (size_t r = 0; r < 3; r++) {
                    const uint64_t *from = x + (h + r) * row + c * groups * 4, *weights = w + (o / 8 * 9 + r * 3) * groups * 8;
                    for (size_t k = 0; k < 3 * groups; k++) {
                        __m512i plane = _mm512_loadu_si512(weights + 8 * k);
                        _Pragma("clang loop unroll(full)") for (size_t p = 0; p < 4; p++)
                            _Pragma("clang loop unroll(full)") for (size_t b = 0; b < 4; b++)
                                sums[p][b] = _mm512_add_epi64(sums[p][b], _mm512_popcnt_epi64(_mm512_and_si512(
                                    plane, _mm512_set1_epi64((long long)from[(p * groups + k) * 4 + b]))));
                    }
                }
                for (size_t p = 0; p < 4 && c + p < side; p++) {
                    __m512i total = sums[p][0];
                    for (unsigned b = 1; b < 4; b++) total = _mm512_add_epi64(total, _mm512_slli_epi64(sums[p][b], b));
                    _mm256_storeu_si256((__m256i *)(y + (h * side + c + p) * outputs + o), _mm512_cvtepi64_epi32(total));
                }
            }
}

static double bit_plane_seconds(size_t side, size_t inputs, size_t outputs) {
    uint64_t *x = room(8 * (side + 2) * (side + 8) * inputs / 64 * 4), *w = room(8 * outputs * 9 * inputs / 64);
    int32_t *y = room(4 * side * side * outputs);
    for (size_t i = 0; i < (side + 2) * (side + 2) * inputs / 64 * 4; i++) x[i] = (uint64_t)rand() << 33 ^ (uint64_t)rand();
    for (size_t i = 0; i < outputs * 9 * inputs / 64; i++) w[i] = (uint64_t)rand() << 33 ^ (uint64_t)rand();
    double best = 1e9;
    for (int i = 0; i < 100; i++) {
        double start = now();
        bit_planes(x, w, y, side, inputs, outputs);
        best = now() - start < best ? now() - start : best;
    }
    free(x), free(w), free(y);
    return best;
}

// MARK: First layers

enum { COLOURS = 3 };

static struct ck_byte_unit first_of(size_t side, size_t outputs, size_t kernel, size_t stride) {
    return (struct ck_byte_unit){
        .height = side, .width = side, .input_channels = COLOURS, .output_channels = outputs, .kernel = kernel, .stride = stride,
        .padding = kernel / 2, .largest_integer_weight = 1, .qmax = 15};
}

/// Of the unit in f32 where `floats`.
static double first_seconds(struct ck_byte_unit u, enum ck_unit_path path, int floats, uint8_t *y) {
    size_t outputs = u.output_channels, taps = COLOURS * u.kernel * u.kernel, side = (u.height + 2 * u.padding - u.kernel) / u.stride + 1;
    int8_t *integer_weights = room(outputs * taps);
    uint8_t *image = room(u.height * u.width * COLOURS);
    uint16_t *classes = room(2 * side);
    struct ck_taps *own = room(side * sizeof *own);
    float *a = room(4 * COLOURS * outputs), *weights = room(4 * taps * outputs), *table = room(4 * COLOURS * 256);
    srand(1);
    for (size_t i = 0; i < outputs * taps; i++) integer_weights[i] = rand() % 2 ? 1 : -1;
    for (size_t i = 0; i < u.height * u.width * COLOURS; i++) image[i] = (uint8_t)rand();
    for (size_t i = 0; i < COLOURS * outputs; i++) a[i] = (float)(rand() % 100 - 50) * 1e-4f;
    for (size_t i = 0; i < COLOURS * 256; i++) table[i] = (float)(i % 256);
    size_t count = ck_border_classes(u.height, u.kernel, u.stride, u.padding, classes, own);
    float *b = room(4 * count * count * outputs);
    void *packed = room(ck_byte_unit_packed_bytes(u, path));
    struct ck_first_unit f = {
        .height = u.height, .width = u.width, .input_channels = COLOURS, .output_channels = outputs, .kernel = u.kernel, .stride = u.stride,
        .padding = u.padding, .weights = weights, .table = table, .a = a, .b = b, .qmax = u.qmax};
    size_t needed = ck_byte_unit_scratch_bytes(u, path), in_floats = ck_first_unit_scratch_bytes(f);
    void *scratch = room(needed > in_floats ? needed : in_floats);
    ck_byte_unit_pack(integer_weights, u, path, packed);
    u.packed = packed, u.a = a, u.b = b, u.row_classes = u.column_classes = classes, u.column_class_count = count;
    double best = 1e9;
    for (int i = 0; i < 100; i++) {
        double start = now();
        if (floats) ck_first_unit_run(&f, path, image, y, 0, side, scratch);
        else ck_byte_unit_run(&u, path, image, y, 0, side, scratch);
        best = now() - start < best ? now() - start : best;
    }
    free(integer_weights), free(image), free(classes), free(own), free(a), free(weights), free(table), free(b), free(packed), free(scratch);
    return best;
}

static int first_layer(struct ck_byte_unit u) {
    size_t side = (u.height + 2 * u.padding - u.kernel) / u.stride + 1, count = side * side * u.output_channels;
    double work = 1e-9 * (double)(count * COLOURS * u.kernel * u.kernel);
    uint8_t *plain = room(count), *y = room(count);
    int same = 1;
    for (enum ck_unit_path path = CK_UNIT_PORTABLE; path < CK_UNIT_PATH_COUNT; path++) {
        if (!ck_unit_has_path(path)) continue;
        double floats = first_seconds(u, path, 1, y), bytes = 0;
        printf("%zu,3→%zu,%s first in f32,%.1f,%.0f\n", side, u.output_channels, ck_unit_path_name(path), 1e6 * floats, work / floats);
        if (!ck_byte_unit_fits(&u, path)) continue;
        bytes = first_seconds(u, path, 0, path == CK_UNIT_PORTABLE ? plain : y);
        printf("%zu,3→%zu,%s first of bytes,%.1f,%.0f\n", side, u.output_channels, ck_unit_path_name(path), 1e6 * bytes, work / bytes);
        same &= path == CK_UNIT_PORTABLE || !memcmp(y, plain, count);
    }
    free(plain), free(y);
    return same;
}

int main(void) {
    static const size_t layers[][2] = {{32, 16}, {16, 32}, {8, 64}, {56, 64}, {28, 128}, {14, 256}, {7, 512}};
    puts("side,channels,kernel,microseconds,giga_multiply_adds_per_second");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        size_t side = layers[i][0], channels = layers[i][1];
        double work = 1e-9 * (double)(side * side * channels * channels * 9);
        uint8_t *plain = room(side * side * channels);
        for (enum ck_unit_path path = CK_UNIT_PORTABLE; path < CK_UNIT_PATH_COUNT; path++) {
            if (!ck_unit_has_path(path) || !fits(path, side, channels)) continue;
            uint8_t *y = room(side * side * channels);
            double seconds = unit_seconds(path, side, channels, channels, y);
            printf("%zu,%zu,%s,%.1f,%.0f\n", side, channels, ck_unit_path_name(path), 1e6 * seconds, work / seconds);
            if (path == CK_UNIT_PORTABLE) memcpy(plain, y, side * side * channels);
            else if (memcmp(y, plain, side * side * channels)) return fputs("the paths differ\n", stderr), 1;
            free(y);
        }
        free(plain);
        if (channels % 64 || !__builtin_cpu_supports("avx512vpopcntdq")) continue;
        double seconds = bit_plane_seconds(side, channels, channels);
        printf("%zu,%zu,bit planes,%.1f,%.0f\n", side, channels, 1e6 * seconds, work / seconds);
    }
    if (!first_layer(first_of(32, 16, 3, 1)) || !first_layer(first_of(224, 64, 7, 2))) return fputs("the paths differ\n", stderr), 1;
}
