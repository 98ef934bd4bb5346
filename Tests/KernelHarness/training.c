// SPDX-License-Identifier: GPL-3.0-or-later
// The kernels that training in s16 is made of (Documentation/MixedPrecision.md): checksums of all they write, from numbers of one seed,
// which no instruction set, no number of threads and no kind of processor may change. Exit status 1 where one differs.
// The workers run one after the other, as they do not wait for each other: no OpenMP is needed where it is cross-compiled.
#include <math.h>
#include <stdio.h>
#include "CKernels.h"
#include "checksum.h"

void ck_parallel(int threads, void (*body)(void *context, int worker, int workers), void *context) {
    for (int worker = 0; worker < threads; worker++) body(context, worker, threads);
}

// MARK: Kernels

static void convolutions(int threads) {
    static const int largest[] = {1, 1, 7, 127}, tops[] = {1, 15, 255, 3};
    for (size_t i = 0; i < 48; i++) {
        struct ck_conv c = {.images = between(1, 9), .height = between(1, 7), .width = between(1, 9), .input_channels = 16 * between(1, 4),
                            .output_channels = 16 * between(1, 4), .kernel = i % 2 ? 1 : 3, .stride = i / 2 % 2 + 1};
        int q = largest[i / 4 % 4], top = tops[i / 16 % 4];
        size_t inputs = c.images * c.height * c.width * c.input_channels;
        size_t weights = c.output_channels * c.input_channels * c.kernel * c.kernel;
        size_t outputs =
            c.images * ck_conv_output_side(c.height, c.stride) * ck_conv_output_side(c.width, c.stride) * c.output_channels;
        int8_t *codes = integer_weights(weights, q);
        uint8_t *x = levels(inputs, top);
        int16_t *dy = words(outputs, ck_conv_s16_limit(c, q));
        float scale = i % 8 == 7 ? 0x1.8p-140f : i % 16 == 5 ? NAN : 0x1p-15f * (1 + uniform() / 2), *unit = numbers(c.output_channels, 1);
        void *forward = room(ck_conv_packed_forward_bytes(c)), *backward = room(ck_conv_packed_backward_bytes(c));
        ck_conv_pack(codes, c, forward, backward, CK_GRADIENTS_S16, threads);
        enum ck_conv_path path = ck_conv_best_path();

        int32_t *y = room(outputs * sizeof *y);
        ck_conv_forward_s32(x, forward, y, c, path, threads);
        result(y, outputs * sizeof *y);
        if (c.input_channels * c.kernel * c.kernel * (size_t)(top * q) <= 32767) {
            int16_t *y16 = room(outputs * sizeof *y16);
            ck_conv_forward_s16(x, forward, y16, c, path, threads);
            result(y16, outputs * sizeof *y16);
        }
        uint16_t *dx = room(inputs * sizeof *dx);
        ck_conv_input_gradient_s16(dy, scale, backward, dx, c, path, threads);
        result(dx, inputs * sizeof *dx);
        float *dq = room(weights * sizeof *dq);
        void *scratch = room(ck_conv_weight_scratch_bytes_s16(c, threads));
        ck_conv_weight_gradient_s16(x, top, dy, scale, unit, dq, scratch, c, path, threads);
        result(dq, weights * sizeof *dq);
        free(codes), free(x), free(dy), free(unit), free(forward), free(backward), free(scratch);
    }
}

/// 16 parts, as Sources/Backends has them.
static void norm_activation_of(struct ck_norm_activation map, int threads) {
    enum { PARTS = 16 };
    size_t count = map.rows * map.channels, c = map.channels;
    double *scratch = room((2 * c + 1) * PARTS * sizeof *scratch), *mean = room(c * sizeof *mean), *variance = room(c * sizeof *variance);
    float *centre = room(c * sizeof *centre), *p = numbers(c, 1), *q = numbers(c, 1e-3f), *r = numbers(c, 1e-2f);
    ck_acc_statistics(map.acc, map.acc_type, map.rows, c, mean, variance, scratch, PARTS, threads);
    for (size_t i = 0; i < c; i++) centre[i] = (float)mean[i];
    result_number(ck_norm_activation_maximum(map));
    if (map.activation == CK_QUANTIZED_RELU) {
        uint8_t *y = room(count);
        ck_norm_activation_forward(map, y, CK_U8, threads);
        result(y, count);
    }
    uint16_t *wide = room(2 * count), *dz = bf16(count, 1), *other = bf16(count, 1), *dy = room(2 * count);
    ck_norm_activation_forward(map, wide, CK_BF16, threads);
    double *sum = room(c * sizeof *sum), *dot = room(c * sizeof *dot);
    struct ck_coarse_derivatives coarse = {1, (int)(map.rows % 2), map.rows % 3 == 0, 7.5f};
    const uint16_t *added = map.rows % 2 ? other : NULL;
    result_number(ck_norm_activation_backward_sums(map, dz, added, centre, coarse, sum, dot, scratch, PARTS, threads));
    float largest = ck_norm_activation_largest_gradient(map, dz, p, q, r, scratch, threads);
    int16_t *dy16 = room(2 * count);
    ck_norm_activation_backward_input_s16(map, dz, p, q, r, 32767 / largest, dy16, threads);
    ck_norm_activation_backward_input(map, dz, p, q, r, dy, threads);
    result_number(largest);
    result(wide, 2 * count), result(dz, 2 * count), result(dy16, 2 * count), result(dy, 2 * count);
    result(sum, c * sizeof *sum), result(dot, c * sizeof *dot), result(mean, c * sizeof *mean), result(variance, c * sizeof *variance);
    free(scratch), free(centre), free(p), free(q), free(r), free(other);
}

static void norm_activations(int threads) {
    static const enum ck_number types[] = {CK_S16, CK_S32, CK_BF16, CK_F32}, shortcuts[] = {CK_U8, CK_BF16, CK_F32};
    for (size_t i = 0; i < 48; i++) {
        size_t rows = between(1, 300), channels = 16 * between(1, 3), kind = i / 4 % 4;
        float *a = numbers(channels, 0.05f), *b = numbers(channels, 4);
        void *acc = accumulators(types[i % 4], rows * channels), *shortcut = NULL;
        if (kind == 1) shortcut = levels(rows * channels, 15);
        if (kind == 2) shortcut = bf16(rows * channels, 4);
        if (kind == 3) shortcut = numbers(rows * channels, 4);
        norm_activation_of((struct ck_norm_activation){acc, types[i % 4], rows, channels, a, b, shortcut, shortcuts[kind ? kind - 1 : 0],
                               0.7f, 15, (enum ck_activation)(i / 16)}, threads);
        free(a), free(b), free(acc), free(shortcut);
    }
}

static void first_convolutions(int threads) {
    for (size_t i = 0; i < 12; i++) {
        size_t kernel = i % 3 == 0 ? 7 : i % 3 == 1 ? 3 : 5;
        struct ck_first_conv c = {.images = between(1, 4), .height = between(kernel, 12), .width = between(kernel, 15),
                                  .channels = i % 4 ? 3 : 1, .outputs = 16 * between(1, 3), .kernel = kernel, .stride = i % 2 + 1,
                                  .padding = kernel / 2};
        size_t weights = c.outputs * c.channels * kernel * kernel;
        size_t outputs = c.images * ck_first_conv_output_side(c.height, c) * ck_first_conv_output_side(c.width, c) * c.outputs;
        float *x = numbers(c.images * c.height * c.width * c.channels, 1), *w = numbers(weights, 1);
        float *packed = room(weights * sizeof *packed);
        float *scratch = room(ck_first_conv_scratch_floats(c, threads) * sizeof *scratch), *y = room(outputs * sizeof *y);
        ck_first_conv_pack(w, c, packed);
        ck_first_conv_forward(x, packed, y, c, scratch, threads);
        result(y, outputs * sizeof *y);
        uint16_t *dy = bf16(outputs, 1);
        ck_first_conv_weight_gradient(x, dy, w, c, threads);
        result(w, weights * sizeof *w);
        free(x), free(packed), free(scratch), free(dy);
    }
}

static void linear(int threads) {
    for (size_t i = 0; i < 12; i++) {
        size_t batch = between(1, 9), inputs = between(1, 200), outputs = between(1, 30);
        float *x = numbers(batch * inputs, 1), *w = numbers(outputs * inputs, 1), *bias = numbers(outputs, 1);
        float *y = room(batch * outputs * sizeof *y), *dw = room(outputs * inputs * sizeof *dw), *dx = room(batch * inputs * sizeof *dx);
        ck_linear_forward(x, w, bias, y, batch, inputs, outputs, threads);
        ck_linear_backward_weight(x, y, dw, batch, inputs, outputs, threads);
        ck_linear_backward_input(y, w, dx, batch, inputs, outputs, threads);
        result(y, batch * outputs * sizeof *y), result(dw, outputs * inputs * sizeof *dw), result(dx, batch * inputs * sizeof *dx);
        free(x), free(w), free(bias);
    }
}

static void maps(int threads) {
    for (size_t i = 0; i < 12; i++) {
        struct ck_shortcut s = {between(1, 3), between(1, 9), between(1, 9), 16 * between(1, 3), i % 2 + 1, i % 3 ? 16 : 0};
        struct ck_pool p = {s.images, s.height, s.width, s.channels, 1, 1, 0};
        size_t large = s.images * s.height * s.width * s.channels;
        size_t small = s.images * ((s.height - 1) / s.stride + 1) * ((s.width - 1) / s.stride + 1) * (s.channels + 2 * s.pad);
        uint16_t *x = bf16(large, 1), *y = room(2 * small), *gradient = room(2 * large), *rounded = room(2 * large);
        float *mean = room(s.images * s.channels * sizeof *mean), *wide = room(large * sizeof *wide), *exact = numbers(large, 1);
        ck_map_shortcut_forward(x, y, CK_BF16, s, threads);
        ck_map_shortcut_backward(y, x, s, threads);
        ck_map_mean_forward(x, CK_BF16, 0.3f, mean, p, threads);
        ck_map_mean_backward(mean, gradient, p, threads);
        ck_bf16_add(x, gradient, large, threads);
        ck_f32_to_bf16(exact, rounded, large, threads);
        ck_bf16_to_f32(rounded, wide, large, threads);
        result(x, 2 * large), result(y, 2 * small), result(gradient, 2 * large), result(rounded, 2 * large);
        result(mean, s.images * s.channels * sizeof *mean), result(wide, large * sizeof *wide);
        free(exact);
    }
}

static void maxima(int threads) {
    for (size_t i = 0; i < 12; i++) {
        size_t window = i % 2 + 2;
        struct ck_pool p = {between(1, 3), between(3, 9), between(3, 9), 16 * between(1, 3), window, 2, i % 3 ? 0 : 1};
        size_t large = p.images * p.height * p.width * p.channels;
        size_t small = p.images * ck_pool_output_side(p.height, p) * ck_pool_output_side(p.width, p) * p.channels;
        uint8_t *x = levels(large, 15), *y = room(small), *place = room(small);
        uint16_t *wide = bf16(large, 1), *top = room(2 * small), *dx = room(2 * large), *dy = bf16(small, 1);
        for (size_t k = 0; k < large; k++) wide[k] &= 0x7fff;
        ck_level_max_forward(x, y, place, p, threads);
        ck_bf16_max_forward(wide, top, place, p, threads);
        ck_bf16_max_backward(dy, place, dx, p, threads);
        result(y, small), result(place, small), result(top, 2 * small), result(dx, 2 * large);
        free(x), free(wide), free(dy);
    }
}

static void patches(int threads) {
    for (size_t i = 0; i < 8; i++) {
        struct ck_patches p = {between(1, 3), between(5, 9), between(5, 9), 16 * between(1, 2), i % 2 ? 5 : 3, i / 2 % 2 + 1, i / 4 * 2};
        struct ck_pool side = {.window = p.kernel, .stride = p.stride, .padding = p.padding};
        size_t places = p.images * ck_pool_output_side(p.height, side) * ck_pool_output_side(p.width, side);
        size_t count = places * p.kernel * p.kernel * p.channels;
        size_t pixels = p.images * p.height * p.width * p.channels;
        uint8_t *x = levels(pixels, 15), *gathered = room(count);
        uint16_t *dy = bf16(count, 1), *dx = room(2 * pixels);
        ck_patches_gather(x, gathered, 1, p, threads);
        ck_patches_scatter(dy, dx, p, threads);
        result(gathered, count), result(dx, 2 * pixels);
        free(x), free(dy);
    }
}

static void projections(int threads) {
    for (size_t i = 0; i < 4; i++) {
        size_t count = i == 0 ? 1 : between(1000, 90000);
        float *w = numbers(count, 1), *projected = room(count * sizeof *projected);
        int8_t *codes = room(count);
        struct ck_magnitudes all = ck_magnitudes(w, count, threads);
        struct ck_kept kept = ck_kept(w, count, 0.3f, threads);
        struct ck_products products = ck_rounded_products(w, count, 0.21f, 7, threads);
        result_number(all.sum), result_number(all.maximum), result_number(kept.sum), result_number(kept.count);
        result_number(products.wq), result_number(products.qq);
        for (int kind = 0; kind < 3; kind++) {
            if (kind == 0) ck_binary_integer_weights(w, count, 0.17f, projected, codes, threads);
            if (kind == 1) ck_ternary_integer_weights(w, count, 0.3f, 0.17f, projected, codes, threads);
            if (kind == 2) ck_rounded_integer_weights(w, count, 0.21f, 7, 0.17f, projected, codes, threads);
            result(memcpy(room(count), codes, count), count);
            result(memcpy(room(count * sizeof *w), projected, count * sizeof *w), count * sizeof *w);
        }
        enum { BINS = 512 };  // of a quarter of a binade: 2⁻¹²⁶ to 4
        struct ck_magnitude_bin *bins = calloc(BINS + 1, sizeof *bins);
        ck_magnitude_histogram(w, count, 1u << 23, 21, bins, BINS + 1, threads);
        result(bins, (BINS + 1) * sizeof *bins);
        float *gathered = room(count * sizeof *gathered);
        size_t found = ck_gather_magnitudes(w, count, 0.1f, 0.5f, gathered, threads);
        result(gathered, found * sizeof *gathered);
        free(w), free(projected), free(codes);
    }
}

static void updates(int threads) {
    for (size_t i = 0; i < 6; i++) {
        size_t slices = between(1, 4), count = slices * between(1, 20000);
        float *w = numbers(count, 1), *gradient = numbers(count, 0.1f), *m = numbers(count, 0.1f), *v = numbers(count, 0.1f);
        float *scales = numbers(slices, 0.2f), *relaxed = room(count * sizeof *relaxed);
        int8_t *codes = integer_weights(count, 1);
        struct ck_magnitudes *magnitudes = room(slices * sizeof *magnitudes);
        for (size_t k = 0; k < count; k++) v[k] = fabsf(v[k]);
        ck_relaxed_weights(w, codes, scales, count, slices, 0.6f, relaxed, threads);
        struct ck_bcgd step = {i % 2 ? 1e-5f : 0, 0.9f, 1e-4f, 0.013f};
        ck_bcgd_step(w, codes, scales, gradient, m, count, slices, step, i % 3 == 0, magnitudes, threads);
        for (size_t k = 0; k < slices; k++) result_number(magnitudes[k].sum), result_number(magnitudes[k].maximum);
        struct ck_adam adam = {1e-5f, 0.9f, 0.999f, 1e-8f, 1e-4f, 0.001f, 1.7f};
        ck_adam_step(w, codes, scales, gradient, m, v, count, slices, adam, threads);
        result(w, count * sizeof *w), result(m, count * sizeof *m), result(v, count * sizeof *v), result(relaxed, count * sizeof *relaxed);
        result(codes, count);
        free(gradient), free(scales), free(magnitudes);
    }
}

static void quantized_relu(int threads) {
    for (size_t i = 0; i < 4; i++) {
        size_t count = between(1, 70000);
        float *x = numbers(count, 3), *y = room(count * sizeof *y), *dx = room(count * sizeof *dx), *dy = numbers(count, 1);
        uint8_t *codes = room(count);
        ck_quantized_relu(x, y, count, 0.17f, 15, threads);
        ck_quantized_relu_levels(x, codes, count, 0.17f, 15, threads);
        struct ck_coarse_derivatives coarse = {1, (int)i % 2, (int)i / 2, 7.5f};
        result_number(ck_quantized_relu_backward(x, dy, dx, count, 0.17f, 15, coarse, threads));
        result(y, count * sizeof *y), result(dx, count * sizeof *dx), result(codes, count);
        free(x), free(dy);
    }
}

/// The C library's, of which the loss is made; both are nearly always rounded correctly, which no standard asks.
static void exponentials(int threads) {
    (void)threads;
    for (size_t i = 0; i < 1000000; i++) {
        double x = 40 * (double)(next() >> 11) * 0x1p-53;
        result_number(exp(-x)), result_number(log(1 + x));
    }
}

/// First made on a Zen 5, by plain C: no other processor may have others.
static const struct {
    const char *name;
    void (*run)(int threads);
    uint64_t checksum;
} KERNELS[] = {
    {"conv", convolutions, 0x444c8cd016a1fc4f},
    {"norm_activation", norm_activations, 0x9b77a1841c8ab151},
    {"first_conv", first_convolutions, 0x2f8e86f35a35701e},
    {"linear", linear, 0x52726d372f407e30},
    {"level_maps", maps, 0xf460a3c69aba0c4a},
    {"level_pooling", maxima, 0x9d4b6930f8653761},
    {"patches", patches, 0xb530b98f1a2be6a2},
    {"weight_projection", projections, 0x477e63d856f04506},
    {"bcgd_step, adam_step, relaxed_weights", updates, 0x28a3875e4844c748},
    {"quantized_relu", quantized_relu, 0xc61a9201cc78c471},
    {"exp and log of the C library", exponentials, 0x41b126b7c988b0c3},
};
enum { KERNEL_COUNT = sizeof KERNELS / sizeof *KERNELS };

int main(void) {
    int differing = 0;
    for (enum ck_isa isa = CK_PORTABLE; isa < CK_ISA_COUNT; isa++) {
        if (ck_isa_features(isa) & ~ck_features()) continue;
        int before = differing;
        ck_limit_thread(isa);
        for (int threads = 1; threads <= 3; threads += 2)
            for (size_t k = 0; k < KERNEL_COUNT; k++) {
                state = 81 + k, checksum = 0xcbf29ce484222325;
                KERNELS[k].run(threads);
                if (checksum == KERNELS[k].checksum) continue;
                differing++;
                printf("%s on %d threads: %s: %016llx, not %016llx\n", ck_isa_name(isa), threads, KERNELS[k].name,
                       (unsigned long long)checksum, (unsigned long long)KERNELS[k].checksum);
            }
        ck_limit_thread(CK_ISA_COUNT);
        printf("training on %s: %d kernels on 1 and 3 threads, %d differing\n", ck_isa_name(isa), KERNEL_COUNT, differing - before);
    }
    return differing > 0;
}
