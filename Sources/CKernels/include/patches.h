// SPDX-License-Identifier: GPL-3.0-or-later
// Convolutions of any kernel as 1×1 convolutions: the pixels under the kernel become the channels of one pixel.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A kernel of K×K over maps [N, H, W, C], with zeros around them.
struct ck_patches {
    size_t images, height, width, channels, kernel, stride, padding;
};

/// patches [N, H', W', K, K, C] = the numbers of x under the kernel, of `size` bytes each.
void ck_patches_gather(const void *x, void *patches, size_t size, struct ck_patches shape, int threads);

/// Rows begin..<end of the patches alone, counted over all images.
void ck_patches_gather_rows(const void *x, void *patches, size_t size, struct ck_patches shape, size_t begin, size_t end);

/// x [N, H, W, C] = the adjoint, in bf16: each sum in f32 over the kernel's places in order, rounded once.
void ck_patches_scatter(const uint16_t *patches, uint16_t *x, struct ck_patches shape, int threads);
