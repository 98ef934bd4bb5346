// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes a JPEG by libjpeg-turbo, whose errors are to be long jumps, which Swift must not see.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CJPEG_MESSAGE_BYTES = 200 };

// All return 1, or 0 where that failed, with the reason in `message`, ended by 0.

/// What the file says of itself.
int cjpeg_header(const uint8_t *file, size_t bytes, uint32_t *width, uint32_t *height, int *is_cmyk, char message[CJPEG_MESSAGE_BYTES]);

/// Decodes with the accurate integer transform and smooth chroma. Damage that libjpeg notices is an error, though it would go on; but
/// stray bytes before a marker alone are none, as many encoders leave some.
/// - reduction: 1, 2, 4 or 8: decodes to rows and columns divided by it, rounded up.
/// - width, height: what the caller has made room for, reduced already.
/// - pixels: `[height, width, 4]`: red, green, blue, unused; of CMYK the file's bytes.
int cjpeg_read(
    const uint8_t *file, size_t bytes, int reduction, uint32_t width, uint32_t height, int is_cmyk, uint8_t *pixels,
    char message[CJPEG_MESSAGE_BYTES]);

/// Encodes as baseline JPEG.
/// - pixels: `[height, width, channels]`, channels 1 grey, 3 colour (chroma of half the rows and columns), 4 CMYK (stored as YCCK).
/// - quality: 1 to 100.
/// - file, bytes: what was made; the caller frees it.
int cjpeg_write(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, int quality, uint8_t **file, size_t *bytes,
    char message[CJPEG_MESSAGE_BYTES]);
