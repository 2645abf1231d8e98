#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: fuzz.sh [SECONDS [NAME ...]]: runs each fuzz target that long (default 60) under ASan and UBSan, and closes with
# `N passed, N failed`. New inputs are kept in build-fuzz/corpus/; what crashes is left in build-fuzz/ and belongs, once
# mended, in fuzz/corpus/NAME/.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
if [ $# -eq 0 ]; then
    mapfile -t names < <(cd fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
    set -- "${names[@]}"
fi
log=build-fuzz/build.log
mkdir -p build-fuzz
{ [ -f build-fuzz/build.ninja ] || CC=clang meson setup -Dfuzzers=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
    -Db_lundef=false build-fuzz; } > "$log" 2>&1 && ninja -C build-fuzz "${@/#/fuzz/fuzz_}" >> "$log" 2>&1 ||
    { grep -v '^\[' "$log"; echo "0 passed, 1 failed"; exit 1; }
passed=0 failed=0
for name in "$@"; do
    mkdir -p "build-fuzz/corpus/$name"
    if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "build-fuzz/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -artifact_prefix="build-fuzz/$name-" \
        "build-fuzz/corpus/$name" "fuzz/corpus/$name" > "build-fuzz/$name.log" 2>&1; then
        echo "PASS $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$name.log") inputs"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse)' "build-fuzz/$name.log" | tail -n 40 | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
