// SPDX-License-Identifier: GPL-3.0-or-later
// The umbrella of the C kernels: one header a concern.
#pragma once
#include "batch_norm.h"
#include "bcgd_step.h"
#include "conv3x3.h"
#include "elementwise.h"
#include "inference.h"
#include "level_maps.h"
#include "level_pooling.h"
#include "monte_carlo.h"
#include "norm_activation.h"
#include "parallel.h"
#include "peaks.h"
#include "pooling.h"
#include "quantized_relu.h"
#include "relaxed_weights.h"
#include "resize.h"
#include "weight_projection.h"
