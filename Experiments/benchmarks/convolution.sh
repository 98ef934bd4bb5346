#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds and runs the convolution benchmark: Experiments/benchmarks/convolution.sh [threads] > table.csv
set -eu
cd "$(dirname "$0")/../.."
kernels=Sources/CKernels
program=$(mktemp)
trap 'rm -f "$program"' EXIT
clang -O2 -I"$kernels" -I"$kernels/include" "$kernels"/conv/*.c "$kernels/common/parallel.c" "$kernels/common/cpu.c" \
    Experiments/benchmarks/convolution.c \
    -o "$program" -ldnnl -lgomp -lm
"$program" "${1:-1}"
