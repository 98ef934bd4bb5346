// SPDX-License-Identifier: GPL-3.0-or-later
// Packed models (.bcgd) in C: open, describe, run, close. Link with libbcgd.so, or with libbcgd.a -lgomp -lstdc++ -lm -lpthread -lz.
//
// A model may be used by several threads at the same time. `bcgd_run` allocates no memory, but for OpenMP, which starts its threads at
// a calling thread's first run with more than one. They do not come along into a process that this thread forks: a run there with more
// than one thread would wait for them for ever. Scores are those of `reproduce classify`, to the bit.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Room for a message: one line of UTF-8 that ends with 0 and is cut off where it would be longer.
enum { BCGD_ERROR_BYTES = 1024 };

typedef struct bcgd_model bcgd_model;

/// Texts live until the model is closed.
typedef struct {
    int32_t height, width, channels;  // of an image
    int32_t resize;                   // an image of another size: 0, refuse it; n, make its shorter side n pixels and cut out the centre
    int32_t classes, units;
    int32_t threads, callers;         // as the model was opened
    float mean[4], std[4];            // a byte x of channel c becomes (x/255 - mean[c])/std[c]; bcgd_run does it
    uint64_t file_bytes, multiply_adds;
    const char *class_names;          // UTF-8, with line feeds between them
    const char *provenance;           // where the network came from
} bcgd_description;

enum { BCGD_FIRST = 1, BCGD_CONVOLUTION, BCGD_MAXIMUM, BCGD_CLASSIFIER, BCGD_FIRST_OF_BYTES };  // kinds of units
enum { BCGD_NO_SHORTCUT, BCGD_LEVELS, BCGD_SUBSAMPLED_LEVELS, BCGD_VALUES };                 // what is added before the activation
enum { BCGD_INTEGER_WEIGHTS = 1, BCGD_FLOAT_WEIGHTS, BCGD_SCALES, BCGD_FACTORS, BCGD_TERMS };  // a unit's numbers

/// One unit as it stands in the file (Documentation/packed-format.md): t = a·sum + b + step·shortcut,
/// level = clamp(ceil(t), 0, 2^bits - 1).
typedef struct {
    const char *name;
    int32_t kind, kernel, stride, padding;
    int32_t weight_bits;      // 1 binary, 2 ternary, 3 to 8 uniform, 32 float, 0 none
    int32_t activation_bits;  // 0: the result stays f32
    int32_t shortcut, shortcut_stride;
    int32_t input, shortcut_input;  // units; -1 is the image, or no shortcut
    int32_t input_channels;
    int32_t height, width, channels;  // of the result
    int32_t scales;                   // how many weight scales: 0, 1 or one a channel
    float step, step_size;            // of the shortcut over this one's; what one level is worth
} bcgd_unit;

/// Maps the file and checks every byte of it.
/// - threads: 1 to 256 that compute in one call; for more images than threads, each takes whole images.
/// - callers: 1 to 64 threads that run the model at the same time; more wait for each other. Each takes memory of its own.
/// - error: room for a message, or NULL.
/// Returns NULL when the file cannot be used; the message then says why.
bcgd_model *bcgd_open(const char *path, int32_t threads, int32_t callers, char error[BCGD_ERROR_BYTES]);

void bcgd_describe(const bcgd_model *model, bcgd_description *description);

/// Returns 0, or -1 when there is no such unit.
int bcgd_describe_unit(const bcgd_model *model, int32_t unit, bcgd_unit *description);

/// Copies a unit's numbers: integer weights (int8_t [O, I, K, K], of a classifier [O, I]), float weights (float, likewise: scale times
/// integer weight where they are quantized), scales, factors a and terms b (float; a classifier has no factors, and its terms
/// are its bias; a first unit of bytes has factors [C, O] and terms [classes, O]).
/// - into: room for `capacity` numbers, or NULL to count them.
/// Returns how many there are; -1 when the unit has none of that kind, or more than there is room for.
int64_t bcgd_numbers(const bcgd_model *model, int32_t unit, int32_t kind, void *into, int64_t capacity);

/// Class scores of `count` images.
/// - images: bytes [count, height, width, channels].
/// - scores: [count, classes].
/// - error: room for a message, or NULL.
/// Returns 0; -1 for a negative count or no pointer where one is needed.
int bcgd_run(const bcgd_model *model, const uint8_t *images, int64_t count, float *scores, char error[BCGD_ERROR_BYTES]);

/// No call may be under way, and none may follow. NULL is allowed.
void bcgd_close(bcgd_model *model);

#ifdef __cplusplus
}
#endif
