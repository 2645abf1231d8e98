#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes ngx_auto_config.h as Debian's nginx was configured: the module's binary signature must equal the server's. It is kept in
# KEPT, for build directories of the same nginx, C library and compiler.
# usage: configure.sh SOURCE_DIR KEPT OUT_DIR
set -euo pipefail
src=$1 kept=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
unset CC CFLAGS # whatever compiles the module, the findings are of one compiler

# shellcheck source=/dev/null
source "$src/conf_flags"
key=$({
    cat "$here/configure.sh" "$src/conf_flags" "$src/src/core/nginx.h"
    find "$src/auto" -type f -print0 | sort -z | xargs -0 cat
    cc --version
    dpkg-query -W libc6-dev linux-libc-dev libpcre2-dev libssl-dev zlib1g-dev
} | sha256sum | cut -d ' ' -f 1)

mkdir -p "$kept"
# Who comes while another configures waits for it.
exec 9> "$kept/lock"
flock 9
if [ ! -d "$kept/$key" ]; then
    scratch=$kept/configure
    rm -rf "$scratch"
    mkdir "$scratch"
    cd "$scratch"
    # configure writes a Makefile where it stands, so it stands in a directory of links.
    ln -s "$src/auto" "$src/src" "$src/configure" .
    ./configure "${NGX_CONF_FLAGS[@]}" > configure.log 2>&1 || { tail -20 configure.log >&2; exit 1; }
    mkdir found
    cp objs/ngx_auto_config.h objs/ngx_auto_headers.h found/
    mv found "$kept/$key" # whole or not at all
fi
cp "$kept/$key/ngx_auto_config.h" "$kept/$key/ngx_auto_headers.h" "$out/"
