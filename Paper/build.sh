#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the report: Paper/build/bcgd.pdf, from bcgd.tex and from what `reproduce report` wrote to results/.
# Installs the TeX packages that are missing (apt; root or sudo). With --if-present it installs nothing: it builds where
# TeX is there, and says so where it is not.
set -eu
cd "$(dirname "$0")"

# latex-recommended: booktabs, caption, float, microtype; latex-base, with amsmath, graphicx and hyperref, comes with it.
packages="latexmk texlive-latex-recommended"
files="article.cls amsmath.sty amsthm.sty array.sty booktabs.sty caption.sty float.sty geometry.sty graphicx.sty"
files="$files hyperref.sty longtable.sty microtype.sty pdflscape.sty"

has_tex() {
    command -v latexmk >/dev/null && command -v pdflatex >/dev/null && command -v kpsewhich >/dev/null || return 1
    for file in $files; do kpsewhich "$file" >/dev/null || return 1; done
}

install_tex() {
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "build.sh: installing TeX needs root, and there is no sudo; run as root:" \
                "apt-get install --no-install-recommends $packages" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get"
    $apt install -y --no-install-recommends $packages || { $apt update && $apt install -y --no-install-recommends $packages; }
    has_tex || { echo "build.sh: after installing $packages there is still no latexmk, no pdflatex or not all of: $files" >&2; exit 1; }
}

if ! has_tex; then
    if [ "${1:-}" = --if-present ]; then
        echo "SKIPPED: the report was not built, since TeX is not installed here; Paper/build.sh installs it and builds"
        exit 0
    fi
    install_tex
fi
# The date of the last commit, so that the same sources give the same bytes.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH FORCE_SOURCE_DATE=1
if ! latexmk -pdf -interaction=nonstopmode -halt-on-error -file-line-error -outdir=build bcgd.tex >build.log 2>&1; then
    grep -E '^[^ ]+:[0-9]+: |^! ' build.log >&2 || tail -n 20 build.log >&2
    echo "build.sh: LaTeX failed; all of its output is in Paper/build.log" >&2
    exit 1
fi
mv build.log build/latexmk.log
if grep -E 'LaTeX Warning: (Reference|Citation).* undefined' build/bcgd.log >&2; then
    echo "build.sh: the report refers to what it does not hold" >&2
    exit 1
fi
# A hair over the margin does not show; more does.
awk '/^Overfull \\hbox \(/ { width = $3; gsub(/[^0-9.]/, "", width); if (width > 3) print "build.sh: warning: " $0 }' build/bcgd.log
echo "built Paper/build/bcgd.pdf"
