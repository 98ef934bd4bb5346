#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the Debian packages that the build, the tests and the figures need, and checks the Swift compiler.
# Does nothing when all is there; installing needs apt and root (or sudo).
# --install [PREFIX]: also builds the programs and puts them, their recipes, completions and manual pages below PREFIX (default ~/.local).
# --tensorboard: also TensorBoard in .build/tensorboard, with which a test reads event files back.
# --emulators: also those with which .ci/kernels runs the kernels as on other processors.
# --mpi: also what ranks over MPI need (Documentation/Cluster.md).
set -eu

# libgcc-12-dev: libgomp, on whose threads the kernels and oneDNN run. OpenBLAS: the build on OpenMP, not its default on pthreads.
packages="libgsl-dev libopenblas-openmp-dev libdnnl-dev zlib1g-dev libjpeg62-turbo-dev libpng-dev librandom123-dev libgcc-12-dev"
packages="$packages gnuplot-nox dataset-fashion-mnist python3 python3-venv python3-numpy python3-pytest curl ca-certificates"
# 6.1: package traits.
swift_needed=6.1

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

refuse() { fail "the options are --install [PREFIX], --tensorboard, --emulators or --mpi, one at a time, not $*"; }

install="" tensorboard=""
case "$#/${1:-}" in
0/) ;;
1/--emulators) packages="$packages qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
1/--mpi) packages="$packages openmpi-bin libopenmpi-dev pkg-config" ;;
1/--tensorboard) tensorboard=yes ;;
1/--install | 2/--install) install=${2:-$HOME/.local} ;;
*) refuse "$@" ;;
esac
case "$install" in '' | /*) ;; -*) refuse "$@" ;; *) install=$PWD/$install ;; esac

missing_packages() {
    # Asking for all at once: dpkg-query fails for the unknown ones, but still answers for the others.
    installed=" $(dpkg-query -W -f='${db:Status-Status}=${Package} ' $packages 2>/dev/null || true) "
    for package in $packages; do
        case "$installed" in *" installed=$package "*) ;; *) printf '%s ' "$package" ;; esac
    done
}

install_packages() {
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "missing packages: $missing- installing them needs root, and there is no sudo; run as root: apt-get install $missing"
        as_root="sudo"
    fi
    echo "setup.sh: installing $missing"
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get"
    # The package lists may be absent or too old: then fetch them once and try again.
    if ! $apt install -y --no-install-recommends $missing; then
        echo "setup.sh: trying again with fresh package lists"
        $apt update || fail "apt-get update failed (its message is above); is there a network, and are the sources right?"
        $apt install -y --no-install-recommends $missing || fail "apt-get could not install $missing- its message is above"
    fi
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "apt-get reported success, but these packages are still missing: $missing"
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this is not Debian or a system like it (no dpkg-query or apt-get); install by hand what these Debian packages hold: $packages"
missing=$(missing_packages)
[ -z "$missing" ] || install_packages

# Another package may have brought OpenBLAS's build on pthreads, which Debian's alternatives then prefer.
for library in /usr/lib/*/libopenblas.so.0; do
    case "$(readlink -f "$library")" in
    *pthread*)
        name="libopenblas.so.0-$(basename "$(dirname "$library")")"
        echo "setup.sh: note: $library is the build on pthreads. Programs run it on one thread at a time, so results are right, but" \
            "it keeps"
        echo "setup.sh: a pool of idle threads; to choose the other one, as root: update-alternatives --config $name"
        ;;
    esac
done

command -v swift >/dev/null || fail "no swift on the PATH; install Swift $swift_needed or newer from https://www.swift.org/install/linux"
found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\)\.\([0-9][0-9]*\).*/\1.\2/p' | head -n 1)
[ -n "$found" ] || fail "swift --version names no version; reinstall Swift from https://www.swift.org/install/linux"
[ "$(printf '%s\n' "$found" "$swift_needed" | sort -V | head -n 1)" = "$swift_needed" ] ||
    fail "Swift $found is too old: $swift_needed or newer is needed, from https://www.swift.org/install/linux"

cd "$(dirname "$0")"

if [ -n "$tensorboard" ] && ! .build/tensorboard/bin/python3 -c 'import tensorboard' 2>/dev/null; then
    echo "setup.sh: installing TensorBoard in .build/tensorboard"
    python3 -m venv .build/tensorboard
    .build/tensorboard/bin/pip install --quiet tensorboard || fail "pip could not install tensorboard; its message is above"
fi

[ -n "$install" ] || exit 0
programs="reproduce verify-theory"
echo "setup.sh: building $programs"
# By swift run: after swift build --product, the next swift build --build-tests would build the tools of all dependencies, too.
for program in $programs; do swift run -c release "$program" --version >/dev/null; done
mkdir -p "$install/bin" "$install/share/bcgd" "$install/share/man/man1" "$install/share/bash-completion/completions" \
    "$install/share/zsh/site-functions" "$install/share/fish/vendor_completions.d"
for program in $programs; do
    # Beside the old one and over it, which a running program keeps.
    cp ".build/release/$program" "$install/bin/$program.new"
    mv "$install/bin/$program.new" "$install/bin/$program"
    "$install/bin/$program" --generate-completion-script bash >"$install/share/bash-completion/completions/$program"
    "$install/bin/$program" --generate-completion-script zsh >"$install/share/zsh/site-functions/_$program"
    "$install/bin/$program" --generate-completion-script fish >"$install/share/fish/vendor_completions.d/$program.fish"
done
recipes="$install/share/bcgd/Experiments"
rm -rf "$recipes.new"
mkdir "$recipes.new"
(
    cd Experiments
    find . \( -name '*.yaml' -o -name '*.csv' -o -name '10classes.txt' -o -name 'one-folder-a-run.sh' \) \
        -exec cp --parents -t "$recipes.new" {} +
)
rm -rf "$recipes"
mv "$recipes.new" "$recipes"
if swift package generate-manual --multi-page >/dev/null 2>&1; then
    for program in $programs; do
        find .build/plugins/GenerateManual/outputs -name "$program.1" -o -name "$program.*.1" |
            while read -r page; do cp "$page" "$install/share/man/man1"; done
    done
else
    echo "setup.sh: note: swift package generate-manual did not work here, so there are no manual pages;" \
        "--help of each command says the same"
fi
echo "setup.sh: $programs are in $install/bin"
case ":$PATH:" in *":$install/bin:"*) ;; *) echo "setup.sh: note: $install/bin is not on the PATH" ;; esac
