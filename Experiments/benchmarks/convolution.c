// SPDX-License-Identifier: GPL-3.0-or-later
// The convolution kernels of Sources/CKernels against oneDNN's, shape by shape, interleaved in one run: CSV on standard
// output. Each pass is timed without the packing or reordering of weights, whose time is a column of its own.
// Operations count two for each product with a tap inside the image. Build and run it with convolution.sh.
#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "conv.h"

enum { REPEATS = 31 };
enum source { OWN, ONEDNN_LOW, ONEDNN_F32, SOURCES };  // LOW: int8 forward, bf16 backward
static const char *const passes[] = {"forward", "input gradient", "weight gradient"};

static int threads;
static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void check(dnnl_status_t status, const char *what) {
    if (status != dnnl_success) fprintf(stderr, "oneDNN: %s: status %d\n", what, (int)status), exit(1);
}

/// With one thread, time on the processor, which other processes do not add to; with more, time on the clock.
static double now(void) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *buffer(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) fputs("out of memory\n", stderr), exit(1);
    memset(memory, 0, bytes);
    return memory;
}

/// A oneDNN pass on zeros: kernels of this kind take the same time for all finite values.
struct primitive {
    dnnl_primitive_t handle;
    dnnl_exec_arg_t arguments[3];
};

static struct primitive make(struct ck_conv c, int pass, dnnl_data_type_t x, dnnl_data_type_t w, dnnl_data_type_t y) {
    dnnl_dim_t h = (dnnl_dim_t)ck_conv_output_side(c.height, c.stride), v = (dnnl_dim_t)ck_conv_output_side(c.width, c.stride);
    dnnl_dims_t source = {(dnnl_dim_t)c.images, (dnnl_dim_t)c.input_channels, (dnnl_dim_t)c.height, (dnnl_dim_t)c.width};
    dnnl_dims_t target = {(dnnl_dim_t)c.images, (dnnl_dim_t)c.output_channels, h, v},
            strides = {(dnnl_dim_t)c.stride, (dnnl_dim_t)c.stride};
    dnnl_dims_t weight = {(dnnl_dim_t)c.output_channels, (dnnl_dim_t)c.input_channels, 3, 3}, padding = {1, 1};
    dnnl_memory_desc_t layouts[3];
    check(dnnl_memory_desc_init_by_tag(&layouts[0], 4, source, x, dnnl_nhwc), "source");
    check(dnnl_memory_desc_init_by_tag(&layouts[1], 4, weight, w, dnnl_format_tag_any), "weights");
    check(dnnl_memory_desc_init_by_tag(&layouts[2], 4, target, y, dnnl_nhwc), "target");
    dnnl_convolution_desc_t operation;
    dnnl_primitive_desc_t hint, description;
    dnnl_memory_desc_t hints[3];
    memcpy(hints, layouts, sizeof hints);
    if (pass == 2 && w == dnnl_f32 && x == dnnl_bf16)
        check(dnnl_memory_desc_init_by_tag(&hints[1], 4, weight, dnnl_bf16, dnnl_format_tag_any), "hint");
    check(dnnl_convolution_forward_desc_init(&operation, dnnl_forward_training, dnnl_convolution_direct, &hints[0], &hints[1],
                                             NULL, &hints[2], strides, padding, padding), "forward");
    check(dnnl_primitive_desc_create(&hint, &operation, NULL, engine, NULL), passes[0]);
    description = hint;
    if (pass == 1)
        check(dnnl_convolution_backward_data_desc_init(&operation, dnnl_convolution_direct, &layouts[0], &layouts[1], &layouts[2],
                                                       strides, padding, padding), "backward data");
    if (pass == 2)
        check(dnnl_convolution_backward_weights_desc_init(&operation, dnnl_convolution_direct, &layouts[0], &layouts[1], NULL,
                                                          &layouts[2], strides, padding, padding), "backward weights");
    if (pass > 0) check(dnnl_primitive_desc_create(&description, &operation, NULL, engine, hint), passes[pass]);
    const dnnl_query_t queries[3][3] = {{dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
                                        {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
                                        {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
    const int slots[3][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                             {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                             {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    struct primitive made;
    for (int i = 0; i < 3; i++) {
        const dnnl_memory_desc_t *layout = dnnl_primitive_desc_query_md(description, queries[pass][i], 0);
        made.arguments[i].arg = slots[pass][i];
        check(dnnl_memory_create(&made.arguments[i].memory, layout, engine, buffer(dnnl_memory_desc_get_size(layout))), "memory");
    }
    check(dnnl_primitive_create(&made.handle, description), "primitive");
    return made;
}

static void release(struct primitive p) {
    for (int i = 0; i < 3; i++) {
        void *data;
        check(dnnl_memory_get_data_handle(p.arguments[i].memory, &data), "data");
        dnnl_memory_destroy(p.arguments[i].memory);
        free(data);
    }
    dnnl_primitive_destroy(p.handle);
}

struct own {
    void *x, *integer_weights, *forward, *backward, *y, *dy, *dx, *unit, *dq, *scratch;
};

static void run_own(struct own b, struct ck_conv c, int pass) {
    enum ck_conv_path path = ck_conv_best_path();
    if (pass == 0) ck_conv_forward_s32(b.x, b.forward, b.y, c, path, threads);
    if (pass == 1) ck_conv_input_gradient_bf16(b.dy, b.backward, b.dx, c, path, threads);
    if (pass == 2) ck_conv_weight_gradient(b.x, b.dy, b.unit, b.dq, b.scratch, c, path, threads);
}

static int ascending(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/// The number of (output, tap) pairs along one dimension whose tap is inside the image.
static double useful(size_t side, size_t stride) {
    double count = 0;
    for (size_t h = 0; h < ck_conv_output_side(side, stride); h++)
        for (size_t r = 0; r < 3; r++) count += h * stride + r >= 1 && h * stride + r - 1 < side;
    return count;
}

static void measure(struct ck_conv c) {
    size_t outputs = c.images * ck_conv_output_side(c.height, c.stride) * ck_conv_output_side(c.width, c.stride) * c.output_channels;
    size_t inputs = c.images * c.height * c.width * c.input_channels, weights = ck_conv_packed_forward_bytes(c);
    struct own b = {buffer(inputs), buffer(weights), buffer(weights), buffer(2 * weights), buffer(4 * outputs), buffer(2 * outputs),
                    buffer(2 * inputs), buffer(c.output_channels * sizeof(float)), buffer(4 * weights),
                    buffer(ck_conv_weight_scratch_bytes(c, threads))};
    double gigaops = 2e-9 * (double)(c.images * c.input_channels * c.output_channels) * useful(c.height, c.stride)
            * useful(c.width, c.stride);
    double packing[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        double start = now();
        ck_conv_pack(b.integer_weights, c, b.forward, b.backward, CK_GRADIENTS_BF16, threads);
        packing[i] = now() - start;
    }
    qsort(packing, REPEATS, sizeof *packing, ascending);
    for (int pass = 0; pass < 3; pass++) {
        struct primitive low = pass == 0   ? make(c, 0, dnnl_u8, dnnl_s8, dnnl_s32)
                               : pass == 1 ? make(c, 1, dnnl_bf16, dnnl_bf16, dnnl_bf16)
                                           : make(c, 2, dnnl_bf16, dnnl_f32, dnnl_bf16);
        struct primitive f32 = make(c, pass, dnnl_f32, dnnl_f32, dnnl_f32);
        double times[SOURCES][REPEATS];
        for (int i = 0; i < REPEATS; i++)
            for (int source = 0; source < SOURCES; source++) {
                const struct primitive *p = source == ONEDNN_LOW ? &low : &f32;
                double start = now();
                if (source == OWN) run_own(b, c, pass);
                else check(dnnl_primitive_execute(p->handle, stream, 3, p->arguments), "execute"), dnnl_stream_wait(stream);
                times[source][i] = now() - start;
            }
        for (int source = 0; source < SOURCES; source++) qsort(times[source], REPEATS, sizeof(double), ascending);
        printf("%zu,%zu,%zu,%zu,%zu,%zu,%s,%d,%.0f,%.0f,%.0f,%.3f,%.3f\n", c.images, c.height, c.width, c.input_channels,
               c.output_channels, c.stride, passes[pass], threads, gigaops / times[OWN][REPEATS / 2],
               gigaops / times[ONEDNN_LOW][REPEATS / 2], gigaops / times[ONEDNN_F32][REPEATS / 2], 1e3 * times[OWN][REPEATS / 2],
               1e3 * packing[REPEATS / 2]);
        fflush(stdout);
        release(low);
        release(f32);
    }
    void *all[] = {b.x, b.integer_weights, b.forward, b.backward, b.y, b.dy, b.dx, b.unit, b.dq, b.scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

extern void omp_set_num_threads(int);

int main(int count, char **arguments) {
    threads = count > 1 ? atoi(arguments[1]) : 1;
    if (threads < 1) return fputs("usage: convolution [threads]\n", stderr), 2;
    omp_set_num_threads(threads);
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    puts("images,height,width,input_channels,output_channels,stride,pass,threads,"
         "own_gops,onednn_int8_bf16_gops,onednn_f32_gops,own_ms,packing_ms");
    const struct ck_conv shapes[] = {
        {128, 32, 32, 16, 16, 3, 1}, {128, 32, 32, 16, 32, 3, 2}, {128, 16, 16, 32, 32, 3, 1}, {128, 16, 16, 32, 64, 3, 2},
        {128, 8, 8, 64, 64, 3, 1}, {128, 16, 16, 64, 128, 3, 1}, {128, 8, 8, 128, 256, 3, 1}, {128, 8, 8, 256, 256, 3, 1},
        {128, 4, 4, 256, 512, 3, 1}, {128, 4, 4, 512, 512, 3, 1}, {128, 2, 2, 512, 512, 3, 1}, {32, 56, 56, 64, 64, 3, 1},
        {32, 28, 28, 128, 128, 3, 1}, {32, 14, 14, 256, 256, 3, 1}, {32, 7, 7, 512, 512, 3, 1}, {32, 56, 56, 64, 128, 3, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(shapes[i]);
}
