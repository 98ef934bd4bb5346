#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds and runs the benchmark of inference kernels: Experiments/benchmarks/inference_kernels.sh > table.csv
set -eu
cd "$(dirname "$0")/../.."
kernels=Sources/CKernels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang -O2 -I"$kernels" -I"$kernels/include" "$kernels"/inference/*.c "$kernels/common/cpu.c" \
    Experiments/benchmarks/inference_kernels.c -o "$work/program" -lm
"$work/program" >"$work/rows"
processor=$(cd Experiments/benchmarks && python3 -c 'import environment; print(environment.processor())' | tr ',"' '  ')
facts="$(git describe --always --dirty --exclude '*' 2>/dev/null || echo unknown),$processor,$(date +%F)"
sed -e '1s/$/,commit,processor,date,how/' -e "1!s|\$|,$facts,Experiments/benchmarks/inference_kernels.sh|" "$work/rows"
