#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes ngx_auto_config.h as Debian's nginx was configured: the module's binary signature must equal the server's.
# usage: configure.sh SOURCE_DIR SCRATCH_DIR OUT_DIR
set -eu
src=$1 scratch=$2 out=$3
rm -rf "$scratch"
mkdir -p "$scratch"
cd "$scratch"
# configure writes a Makefile where it stands, so it stands in a directory of links.
ln -s "$src/auto" "$src/src" "$src/configure" .
# shellcheck source=/dev/null
source "$src/conf_flags"
./configure "${NGX_CONF_FLAGS[@]}" >configure.log 2>&1 || { tail -20 configure.log >&2; exit 1; }
cp objs/ngx_auto_config.h objs/ngx_auto_headers.h "$out/"
