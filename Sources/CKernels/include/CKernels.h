// SPDX-License-Identifier: GPL-3.0-or-later
// The umbrella of the C kernels: one header a concern.
#pragma once
#include "monte_carlo.h"
#include "parallel.h"
