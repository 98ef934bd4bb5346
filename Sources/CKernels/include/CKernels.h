// SPDX-License-Identifier: GPL-3.0-or-later
// The umbrella of the C kernels: one header a concern.
#pragma once
#include "parallel.h"
#include "quantized_relu.h"
#include "weight_projection.h"
