// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a PNG by libpng, whose errors are long jumps, which Swift must not see.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CPNG_MESSAGE_BYTES = 200 };

/// The bytes that the file holds, whatever it says of their meaning (gamma, white point, profile, significant bits): of 16 bits
/// the upper 8; 1, 2 and 4 bits of grey spread over 0…255; grey repeated; alpha and transparent colours left out.
/// - width, height: what the caller has made room for; the file must have them.
/// - rgbx: `[height, width, 4]`: red, green, blue, unused.
/// - message: why it failed, ended by 0.
/// - returns 1, or 0 where the file is damaged.
int cpng_read(const uint8_t *file, size_t bytes, uint32_t width, uint32_t height, uint8_t *rgbx, char message[CPNG_MESSAGE_BYTES]);
