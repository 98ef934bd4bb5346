#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: commit.sh PACKAGE OUTPUT [COMPILER]
# Writes OUTPUT/Commit.swift with the compiler's version, and the short hash of PACKAGE's commit, `-dirty` when what programs are built from
# differs from it; `unknown` outside a checkout, inside another repository's, or without git. Unchanged text leaves the file alone: nothing
# is rebuilt.
package=$1 output=$2 swiftc=${3:-swiftc}
commit=unknown
# The prefix is empty only where PACKAGE is the checkout itself.
if prefix=$(git -C "$package" rev-parse --show-prefix 2>/dev/null) && [ -z "$prefix" ] &&
    head=$(git -C "$package" rev-parse --short HEAD 2>/dev/null) &&
    changes=$(git -C "$package" status --porcelain -- Package.swift Plugins Sources 2>/dev/null); then
    commit=$head${changes:+-dirty}
fi
compiler=$("$swiftc" --version 2>/dev/null | sed -n 's/.*\(Swift version [0-9.]*\).*/\1/p' | sed -n '1s/ version//p')
compiler=${compiler:-unknown}
text="/// Made by Plugins/RecordCommit.
let recordedCommit = \"$commit\"
let recordedCompiler = \"$compiler\""
mkdir -p "$output" || exit 1
[ "$(cat "$output/Commit.swift" 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >"$output/Commit.swift"
