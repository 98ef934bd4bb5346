// SPDX-License-Identifier: GPL-3.0-or-later
#include "elementwise.h"
#include "common/kernel.h"
#include "parallel.h"

struct job {
    const float *x, *g;
    float *y;
    size_t count;
    struct ck_shortcut shape;
};

// MARK: ReLU

CK_WORKER(relu_forward) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    const float *x = j->x;
    float *y = j->y;
    for (size_t i = begin; i < end; ++i) y[i] = x[i] <= 0 ? 0 : x[i];  // NaN passes, so that divergence shows
}

void ck_relu_forward(const float *x, float *y, size_t count, int threads) {
    struct job j = {.x = x, .y = y, .count = count};
    ck_parallel(threads, relu_forward[ck_copy()], &j);
}

CK_WORKER(relu_backward) {
    const struct job *j = context;
    size_t begin, end;
    ck_share(j->count, worker, workers, &begin, &end);
    const float *x = j->x, *g = j->g;
    float *y = j->y;
    for (size_t i = begin; i < end; ++i) y[i] = x[i] > 0 ? g[i] : 0;
}

void ck_relu_backward(const float *x, const float *dy, float *dx, size_t count, int threads) {
    struct job j = {.x = x, .g = dy, .y = dx, .count = count};
    ck_parallel(threads, relu_backward[ck_copy()], &j);
}

// MARK: Shortcut

// Walks the pixels of the small map; `x` is read, `y` is added to; `x` is the large map going forward.
static void shortcut(const struct job *j, int forward, int worker, int workers) {
    const struct ck_shortcut s = j->shape;
    size_t height = (s.height + s.stride - 1) / s.stride, width = (s.width + s.stride - 1) / s.stride, begin, end;
    ck_share(s.images * height, worker, workers, &begin, &end);
    for (size_t row = begin; row < end; ++row)
        for (size_t w = 0; w < width; ++w) {
            size_t n = row / height, h = row % height;
            size_t large = ((n * s.height + h * s.stride) * s.width + w * s.stride) * s.channels;
            size_t small = (row * width + w) * (s.channels + 2 * s.pad) + s.pad;
            const float *x = j->x + (forward ? large : small);
            float *y = j->y + (forward ? small : large);
            for (size_t c = 0; c < s.channels; ++c) y[c] += x[c];
        }
}

static void shortcut_forward(void *context, int worker, int workers) { shortcut(context, 1, worker, workers); }
static void shortcut_backward(void *context, int worker, int workers) { shortcut(context, 0, worker, workers); }

void ck_shortcut_forward(const float *large, float *small, struct ck_shortcut shape, int threads) {
    struct job j = {.x = large, .y = small, .shape = shape};
    ck_parallel(threads, shortcut_forward, &j);
}

void ck_shortcut_backward(const float *small, float *large, struct ck_shortcut shape, int threads) {
    struct job j = {.x = small, .y = large, .shape = shape};
    ck_parallel(threads, shortcut_backward, &j);
}
