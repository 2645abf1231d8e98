#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: build.sh DIR [MESON_OPTION | TARGET ...]: makes DIR when it is not there (or half made), then builds TARGETs, or all.
# CC chooses the compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$1
shift
options=() targets=()
for word in "$@"; do
    case $word in
        -*) options+=("$word") ;;
        *) targets+=("$word") ;;
    esac
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -f "$dir/build.ninja" ]; then
    echo "build.sh: building $dir for the first time"
    meson setup "${options[@]}" "$dir" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
# meson writes its own files again when a meson.build changed; of a good build nobody wants to read a line.
ninja -C "$dir" "${targets[@]}" > "$log" 2>&1 || { grep -v '^\[' "$log" >&2; echo "build.sh: $dir does not build" >&2; exit 1; }
