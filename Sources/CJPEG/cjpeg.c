// SPDX-License-Identifier: GPL-3.0-or-later
#include "cjpeg.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// After stdio.h, whose types it needs.
#include <jerror.h>
#include <jpeglib.h>

/// More scans than any encoder makes: such a file only takes time.
enum { MAX_SCANS = 500 };

/// What a call needs, outside of the function that a jump returns into.
struct work {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    union {
        struct jpeg_common_struct common;
        struct jpeg_decompress_struct reading;
        struct jpeg_compress_struct writing;
    } jpeg;
    /// What is wrong where libjpeg has no words for it.
    const char *reason;
    unsigned char *room, *written;
    unsigned long written_bytes;
    jmp_buf failed;
};

static _Noreturn void fail(j_common_ptr jpeg) {
    struct work *work = jpeg->client_data;
    longjmp(work->failed, 1);
}

/// libjpeg keeps the text of the first warning alone, and other damage may follow bytes that do no harm.
static void warn(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) fail(jpeg);
}

static void count_scans(j_common_ptr jpeg) {
    if (((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS) {
        ((struct work *)jpeg->client_data)->reason = "it has too many scans";
        fail(jpeg);
    }
}

static struct work *make_work(char message[CJPEG_MESSAGE_BYTES]) {
    struct work *work = calloc(1, sizeof *work);
    if (!work) {
        snprintf(message, CJPEG_MESSAGE_BYTES, "no memory");
        return NULL;
    }
    work->jpeg.common.err = jpeg_std_error(&work->errors);
    work->errors.error_exit = fail;
    work->errors.emit_message = warn;
    work->jpeg.common.client_data = work;
    work->progress.progress_monitor = count_scans;
    return work;
}

static int end(struct work *work, int succeeded, char message[CJPEG_MESSAGE_BYTES]) {
    if (!succeeded) {
        char text[JMSG_LENGTH_MAX];
        work->errors.format_message(&work->jpeg.common, text);
        snprintf(message, CJPEG_MESSAGE_BYTES, "%s", work->reason ? work->reason : text);
    }
    jpeg_destroy(&work->jpeg.common);
    if (!succeeded || work->written != work->room) free(work->room);
    free(work);
    return succeeded;
}

static void begin_reading(struct work *work, const uint8_t *file, size_t bytes) {
    jpeg_create_decompress(&work->jpeg.reading);
    jpeg_mem_src(&work->jpeg.reading, file, bytes);
    jpeg_read_header(&work->jpeg.reading, TRUE);
}

int cjpeg_header(const uint8_t *file, size_t bytes, uint32_t *width, uint32_t *height, int *is_cmyk, char message[CJPEG_MESSAGE_BYTES]) {
    struct work *work = make_work(message);
    if (!work) return 0;
    if (setjmp(work->failed)) return end(work, 0, message);
    begin_reading(work, file, bytes);
    const struct jpeg_decompress_struct *reading = &work->jpeg.reading;
    *width = reading->image_width, *height = reading->image_height;
    *is_cmyk = reading->jpeg_color_space == JCS_CMYK || reading->jpeg_color_space == JCS_YCCK;
    return end(work, 1, message);
}

static void read_picture(struct work *work, int reduction, uint32_t width, uint32_t height, int is_cmyk, uint8_t *pixels) {
    struct jpeg_decompress_struct *reading = &work->jpeg.reading;
    reading->progress = &work->progress;
    reading->scale_num = 1, reading->scale_denom = (unsigned)reduction;
    reading->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_RGBX;
    jpeg_calc_output_dimensions(reading);
    if (reading->output_width != width || reading->output_height != height || reading->output_components != 4)
        ERREXIT(reading, JERR_BUFFER_SIZE);
    jpeg_start_decompress(reading);
    while (reading->output_scanline < height) {
        JSAMPROW row = pixels + (size_t)reading->output_scanline * width * 4;
        jpeg_read_scanlines(reading, &row, 1);
    }
    jpeg_finish_decompress(reading);
}

int cjpeg_read(
    const uint8_t *file, size_t bytes, int reduction, uint32_t width, uint32_t height, int is_cmyk, uint8_t *pixels,
    char message[CJPEG_MESSAGE_BYTES]) {
    struct work *work = make_work(message);
    if (!work) return 0;
    if (setjmp(work->failed)) return end(work, 0, message);
    begin_reading(work, file, bytes);
    read_picture(work, reduction, width, height, is_cmyk, pixels);
    return end(work, 1, message);
}

static void write_picture(struct work *work, const uint8_t *pixels, uint32_t width, uint32_t height, int channels, int quality) {
    struct jpeg_compress_struct *writing = &work->jpeg.writing;
    jpeg_create_compress(writing);
    // Room enough for noise, so that libjpeg takes none of its own, which a jump would lose.
    work->written_bytes = ((size_t)width + 16) * ((size_t)height + 16) * (size_t)channels * 2 + 4096;
    work->room = work->written = malloc(work->written_bytes);
    if (!work->room) ERREXIT1(writing, JERR_OUT_OF_MEMORY, 0);
    jpeg_mem_dest(writing, &work->written, &work->written_bytes);
    writing->image_width = width, writing->image_height = height, writing->input_components = channels;
    writing->in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(writing);
    if (channels == 4) jpeg_set_colorspace(writing, JCS_YCCK);
    jpeg_set_quality(writing, quality, TRUE);
    jpeg_start_compress(writing, TRUE);
    while (writing->next_scanline < height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)pixels + (size_t)writing->next_scanline * width * (size_t)channels;
        jpeg_write_scanlines(writing, &row, 1);
    }
    jpeg_finish_compress(writing);
}

int cjpeg_write(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, int quality, uint8_t **file, size_t *bytes,
    char message[CJPEG_MESSAGE_BYTES]) {
    struct work *work = make_work(message);
    if (!work) return 0;
    if (setjmp(work->failed)) return end(work, 0, message);
    write_picture(work, pixels, width, height, channels, quality);
    *file = work->written, *bytes = work->written_bytes;
    return end(work, 1, message);
}
