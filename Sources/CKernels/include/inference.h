// SPDX-License-Identifier: GPL-3.0-or-later
// Integer inference, one image at a time: units that turn a map of levels (u8) into the next one.
//
// Dimension letters: H×W the input's rows and columns, I its channels; H'×W' and O the output's; K the kernel's side. Maps
// are channels-last, row-major: [H, W, I] and [H', W', O]; integer weights are [O, I, K, K]. The padding is P on all sides, K/2 in
// `ck_unit`, and terms outside the input are 0. A unit computes, with one rounding in each fma,
//
//     sum[h, w, o]   = Σ_{r, s, i} x[h·stride + r − P, w·stride + s − P, i] · q[o, i, r, s]       exactly, in s32
//     t[h, w, o]     = fma(a[o], (float)sum, b[o])
//     t              = fma(step, shortcut[h, w, o], t)           where there is a shortcut
//     level          = clamp(ceil(t), 0, qmax)                    or t itself, as f32
//
// which is what ck_norm_activation_forward computes where the processor fuses multiply-adds. The definition as plain loops:
// Sources/BCGDRuntime/Reference.swift. Nothing is allocated, and no result depends on the path or on how rows are shared.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// How the sums are computed. Tables hold, for four input channels, the 16 sums that their binary weights may take.
enum ck_unit_path {
    CK_UNIT_PORTABLE,     ///< plain C
    CK_UNIT_AVX2_WORDS,   ///< AVX2: levels and integer weights as 16-bit numbers, `vpmaddwd`
    CK_UNIT_AVX2_BYTES,   ///< AVX2: `vpmaddubsw`, where two products fit 16 bits: 2·(highest level)·(largest |code|) ≤ 32 767
    CK_UNIT_AVX2_TABLES,  ///< AVX2: table lookup by `vpshufb`, for binary integer weights and at most 4-bit levels
    CK_UNIT_AVX2_TERNARY_TABLES,  ///< the same for integer weights of −1, 0 and 1
    CK_UNIT_AVX_VNNI,     ///< AVX-VNNI: `vpdpbusd` on AVX2's registers
    CK_UNIT_AVX512_TABLES,     ///< AVX-512 BW: as CK_UNIT_AVX2_TABLES, 16 input channels a register
    CK_UNIT_VNNI_256,          ///< AVX-512 VNNI: CK_UNIT_AVX_VNNI in the other encoding, to test it where there is no AVX-VNNI
    CK_UNIT_VNNI,              ///< AVX-512 VNNI: `vpdpbusd`
    CK_UNIT_VBMI_TABLES,       ///< AVX-512 VBMI: table lookup by `vpermb`, 16 output × 16 input channels at once
    CK_UNIT_NEON_WORDS,        ///< NEON: 16-bit numbers, `smlal`
    CK_UNIT_NEON_TABLES,       ///< NEON: table lookup by `tbl`, for binary integer weights and at most 4-bit levels
    CK_UNIT_SDOT,              ///< NEON with dotprod: `sdot`, for at most 7-bit levels
    CK_UNIT_USMMLA,            ///< NEON with i8mm: `usmmla`
    CK_UNIT_PATH_COUNT,
};

/// Null where the path is not compiled for this kind of processor.
const char *ck_unit_path_name(enum ck_unit_path);

/// Whether the processor has the path's instructions.
int ck_unit_has_path(enum ck_unit_path);

/// K is 1 or 3, stride 1 or 2, I and O are multiples of 16.
struct ck_unit {
    size_t height, width, input_channels, output_channels, kernel, stride;
    int input_qmax, largest_integer_weight, binary;  // highest level of x; largest |code|; whether all integer weights are ±1
    const void *packed;                   // what ck_unit_pack made
    const float *a, *b;                   // [O]
    float step, qmax;
    int to_levels;  // else to f32
};

/// Whether the path gives exact sums for the unit's levels, integer weights and number of inputs.
int ck_unit_fits(const struct ck_unit *, enum ck_unit_path);

size_t ck_unit_packed_bytes(struct ck_unit, enum ck_unit_path);
void ck_unit_pack(const int8_t *integer_weights, struct ck_unit, enum ck_unit_path, void *packed);

/// Of one worker.
size_t ck_unit_scratch_bytes(struct ck_unit, enum ck_unit_path);

/// Output rows [begin, end) of y from x. The shortcut [H', W', O], or null, holds levels or, where `wide`, f32.
void ck_unit_run(const struct ck_unit *, enum ck_unit_path, const uint8_t *x, const void *shortcut, int wide, void *y,
                 size_t begin, size_t end, void *scratch);

/// The first unit: the image's bytes become f32 by a table, and the sums are f32, in a fixed order that oneDNN's happens to be:
///     sum = 0; for r, for s, for i: sum = fma(table[i][x[…, i]], w[o, i, r, s], sum)
/// `weights` are packed [O/16][K][K][I][16]; I is 1 to 4, O a multiple of 16.
struct ck_first_unit {
    size_t height, width, input_channels, output_channels, kernel, stride, padding;
    const float *weights, *table;  // table: [I][256]
    const float *a, *b;
    float qmax;
};
size_t ck_first_unit_scratch_bytes(struct ck_first_unit);
void ck_first_unit_run(const struct ck_first_unit *, enum ck_unit_path, const uint8_t *image, uint8_t *y, size_t begin,
                       size_t end, void *scratch);

/// The first unit by integers: the sums of the image's bytes, each colour's by itself, are exact; the normalisation's shift is in `b`,
/// which is another one where the window hangs over the image's border:
///     S_c[h, w, o] = Σ_{r, s} x[h·stride + r − P, w·stride + s − P, c] · q[o, c, r, s]     over taps in the image, exactly, in s32
///     t = b[class][o]; for c: t = fma(a[c][o], (float)S_c, t)                              then the level, as above
/// with class = row_classes[h]·(number of column classes) + column_classes[w], as ck_border_classes numbers them. K is at most 11, so
/// every sum is below 2²⁴. C is 1 to 4, O a multiple of 16.
struct ck_byte_unit {
    size_t height, width, input_channels, output_channels, kernel, stride, padding;
    int largest_integer_weight;
    const void *packed;  // what ck_byte_unit_pack made
    const float *a, *b;  // [C, O], [classes, O]
    const uint16_t *row_classes, *column_classes;
    size_t column_class_count;
    float qmax;
};

/// Whether the path has a kernel for the unit; CK_UNIT_PORTABLE has one for every unit.
int ck_byte_unit_fits(const struct ck_byte_unit *, enum ck_unit_path);
size_t ck_byte_unit_packed_bytes(struct ck_byte_unit, enum ck_unit_path);
/// From integer weights [O, C, K, K].
void ck_byte_unit_pack(const int8_t *integer_weights, struct ck_byte_unit, enum ck_unit_path, void *packed);
size_t ck_byte_unit_scratch_bytes(struct ck_byte_unit, enum ck_unit_path);
/// Output rows [begin, end).
void ck_byte_unit_run(const struct ck_byte_unit *, enum ck_unit_path, const uint8_t *image, uint8_t *y, size_t begin, size_t end,
                      void *scratch);

/// The taps [begin, end) of a kernel's side that lie in the image.
struct ck_taps {
    size_t begin, end;
};

/// The classes of output rows, or columns, by which of their taps lie in the image, numbered as they first appear.
/// `classes` and `taps` have room for one of each output; returns how many classes there are.
size_t ck_border_classes(size_t side, size_t kernel, size_t stride, size_t padding, uint16_t *classes, struct ck_taps *taps);

/// Output rows [begin, end) of the maximum over a square window of levels; padding never wins.
struct ck_level_window {
    size_t height, width, channels, window, stride, padding;
};
void ck_level_window_max(struct ck_level_window, const uint8_t *x, uint8_t *y, size_t begin, size_t end);

/// Output rows [begin, end) of every stride-th pixel, with `padding` zero channels on both sides.
struct ck_level_subsampling {
    size_t width, channels, stride, output_width, padding;
};
void ck_level_subsample(struct ck_level_subsampling, const uint8_t *x, uint8_t *y, size_t begin, size_t end);

/// sums[c] = Σ over pixels of x [pixels, channels].
void ck_level_sums(const uint8_t *x, size_t pixels, size_t channels, int32_t *sums);

/// scores[o] = fma(scale[o], (float)Σ_k sums[k]·q[k][o], bias[o]), the sum exact; `room` holds `outputs` numbers.
void ck_integer_scores(const int32_t *sums, const int8_t *integer_weights, size_t inputs, size_t outputs, const float *scale,
                       const float *bias, int32_t *room, float *scores);

/// scores[o] = bias[o], then for k: scores[o] = fma(unit·(float)sums[k], w[k][o], scores[o]).
void ck_float_scores(const int32_t *sums, float unit, const float *weights, size_t inputs, size_t outputs, const float *bias,
                     float *scores);
