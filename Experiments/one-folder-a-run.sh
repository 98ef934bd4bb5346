#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Moves what an output folder of earlier versions keeps by kind, OUT/{curves,correct,diagnostics}/RUN.*, to OUT/runs/RUN/.
#     Experiments/one-folder-a-run.sh OUT
# Stopped at any moment, it goes on when called again. What is there already is not replaced.
set -eu
[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: $0 OUT, an output folder" >&2; exit 64; }

# move OUT KIND ENDING NAME
move() {
    [ -d "$1/$2" ] || return 0
    for file in "$1/$2"/*"$3"; do
        [ -f "$file" ] || continue
        run=$(basename "$file" "$3")
        place=$1/runs/$run/$4
        [ ! -e "$place" ] || { echo "$place is there already: $file stays" >&2; exit 1; }
        mkdir -p "$1/runs/$run"
        mv "$file" "$place"
    done
    rmdir "$1/$2" || { echo "$1/$2 holds more than files of runs: move that away" >&2; exit 1; }
}

move "$1" curves .csv curve.csv
move "$1" correct .txt correct.txt
move "$1" diagnostics .csv diagnostics.csv
