#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds and runs the benchmark of inference kernels: Experiments/benchmarks/inference_kernels.sh > table.csv
set -eu
cd "$(dirname "$0")/../.."
kernels=Sources/CKernels
program=$(mktemp)
trap 'rm -f "$program"' EXIT
clang -O2 -I"$kernels" -I"$kernels/include" "$kernels"/inference/*.c "$kernels/common/cpu.c" \
    Experiments/benchmarks/inference_kernels.c -o "$program" -lm
"$program"
