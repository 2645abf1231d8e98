#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make bench [ARGS=--json]
set -eu
cd "$(dirname "$0")/.."
ninja -C build -j"$(nproc)" aaiti nginx/ngx_http_gw_module.so bench/bench_seed bench/micro_audit bench/micro_tables >&2
exec python3 bench/run.py "$@"
