// SPDX-License-Identifier: GPL-3.0-or-later
#include "cpng.h"
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// What a read needs, outside of the function that a jump returns into.
struct reading {
    const uint8_t *rest;
    size_t left;
    png_structp png;
    png_infop info;
    png_bytepp rows;
    char *message;
    jmp_buf failed;
};

static _Noreturn void fail(png_structp png, png_const_charp what) {
    struct reading *reading = png_get_error_ptr(png);
    snprintf(reading->message, CPNG_MESSAGE_BYTES, "%s", what ? what : "libpng does not say why");
    longjmp(reading->failed, 1);
}

static void ignore(png_structp png, png_const_charp what) { (void)png, (void)what; }

static void take(png_structp png, png_bytep to, size_t bytes) {
    struct reading *reading = png_get_io_ptr(png);
    if (bytes > reading->left) png_error(png, "it ends too early");
    memcpy(to, reading->rest, bytes);
    reading->rest += bytes;
    reading->left -= bytes;
}

/// Indices at the end of a row become colours from its beginning on; none is overwritten before it has been read.
static void look_up(struct reading *reading, uint32_t width, uint32_t height, uint8_t *rgbx) {
    png_colorp palette = NULL;
    int colors = 0;
    if (!png_get_PLTE(reading->png, reading->info, &palette, &colors)) png_error(reading->png, "it has no palette");
    for (uint32_t y = 0; y < height; ++y) {
        uint8_t *to = rgbx + (size_t)y * width * 4;
        const uint8_t *from = to + (size_t)width * 3;
        for (uint32_t x = 0; x < width; ++x, to += 4) {
            uint8_t index = from[x];
            if (index >= colors) png_error(reading->png, "a pixel lies beyond its palette");
            png_color color = palette[index];
            to[0] = color.red, to[1] = color.green, to[2] = color.blue, to[3] = 255;
        }
    }
}

static void read_picture(struct reading *reading, uint32_t width, uint32_t height, uint8_t *rgbx) {
    png_structp png = reading->png;
    png_set_read_fn(png, reading, take);
    png_set_user_limits(png, width, height);
    // Chunks that only say something about the picture are not even parsed.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, reading->info);
    if (png_get_image_width(png, reading->info) != width || png_get_image_height(png, reading->info) != height)
        png_error(png, "its size is not that of its header");
    int type = png_get_color_type(png, reading->info), is_palette = type == PNG_COLOR_TYPE_PALETTE;
    if (is_palette) {
        png_set_packing(png);
    } else {
        png_set_strip_16(png);
        if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
        if (!(type & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
        if (!(type & PNG_COLOR_MASK_ALPHA)) png_set_filler(png, 255, PNG_FILLER_AFTER);
    }
    png_set_interlace_handling(png);
    png_read_update_info(png, reading->info);
    size_t row = (size_t)width * 4, used = is_palette ? width : row;
    if (png_get_rowbytes(png, reading->info) != used) png_error(png, "its rows have another size than they should");
    reading->rows = malloc(height * sizeof *reading->rows);
    if (!reading->rows) png_error(png, "no memory");
    for (uint32_t y = 0; y < height; ++y) reading->rows[y] = rgbx + y * row + row - used;
    png_read_image(png, reading->rows);
    if (is_palette) look_up(reading, width, height, rgbx);
}

int cpng_read(const uint8_t *file, size_t bytes, uint32_t width, uint32_t height, uint8_t *rgbx, char message[CPNG_MESSAGE_BYTES]) {
    struct reading *reading = calloc(1, sizeof *reading);
    if (!reading) {
        snprintf(message, CPNG_MESSAGE_BYTES, "no memory");
        return 0;
    }
    reading->rest = file, reading->left = bytes, reading->message = message;
    int succeeded = 0;
    if (!setjmp(reading->failed)) {
        reading->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reading, fail, ignore);
        reading->info = reading->png ? png_create_info_struct(reading->png) : NULL;
        if (reading->info) {
            read_picture(reading, width, height, rgbx);
            // No jump can follow, so that a change after setjmp is no matter.
            succeeded = 1;
        } else {
            snprintf(message, CPNG_MESSAGE_BYTES, "libpng does not start");
        }
    }
    png_destroy_read_struct(&reading->png, &reading->info, NULL);
    free(reading->rows);
    free(reading);
    return succeeded;
}
