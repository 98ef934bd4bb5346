#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the Debian packages that the build, the tests and the figures need, and checks the Swift compiler.
# Does nothing when all is there; installing needs apt and root (or sudo).
# --emulators: also those with which .ci/kernels runs the kernels of inference as on other processors.
# --mpi: also what ranks over MPI need (Documentation/Cluster.md).
set -eu

# libgcc-12-dev: libgomp, on whose threads the kernels and oneDNN run. OpenBLAS: the build on OpenMP, not its default on pthreads.
packages="libgsl-dev libopenblas-openmp-dev libdnnl-dev zlib1g-dev libturbojpeg0-dev libpng-dev librandom123-dev libgcc-12-dev gnuplot-nox dataset-fashion-mnist python3 python3-venv python3-numpy python3-pytest curl ca-certificates"
# 6.1: package traits.
swift_needed=6.1

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

case "$*" in
'') ;;
--emulators) packages="$packages qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
--mpi) packages="$packages openmpi-bin libopenmpi-dev" ;;
*) fail "the options are --emulators or --mpi, not $*" ;;
esac

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
        command -v sudo >/dev/null || fail "missing packages: $missing- installing them needs root, and there is no sudo; run as root: apt-get install $missing"
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
        echo "setup.sh: note: $library is the build on pthreads. Programs run it on one thread at a time, so results are right, but it keeps"
        echo "setup.sh: a pool of idle threads; to choose the other one, as root: update-alternatives --config $name"
        ;;
    esac
done

command -v swift >/dev/null || fail "no swift on the PATH; install Swift $swift_needed or newer from https://www.swift.org/install/linux"
found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\)\.\([0-9][0-9]*\).*/\1.\2/p' | head -n 1)
[ -n "$found" ] || fail "swift --version names no version; reinstall Swift from https://www.swift.org/install/linux"
[ "$(printf '%s\n' "$found" "$swift_needed" | sort -V | head -n 1)" = "$swift_needed" ] || fail "Swift $found is too old: $swift_needed or newer is needed, from https://www.swift.org/install/linux"
