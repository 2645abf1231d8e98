#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: check.sh [STEP ...]: what CI runs beside `make test`. One line a step, the log of those that fail, and
# `N passed, N failed` at the end. A tool that is missing is a failure. Build directories are kept and used again.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build-check
mkdir -p "$logs"

# nginx/ is written in nginx's own style, which clang-format cannot lay out.
sources() { git ls-files '*.c' '*.h' | grep -v '^nginx/'; }

format() { sources | xargs clang-format --dry-run -Werror; }
deps()   { scripts/check_deps.py; }
banned() { scripts/check_banned.py; }
shell()  { git ls-files '*.sh' .ci/run | xargs -n 1 bash -n; }

gcc() { CC=gcc scripts/build.sh build && meson test -C build --no-rebuild --suite unit --print-errorlogs; }
threads()
{
    CC=gcc scripts/build.sh build-test -Dtest_hooks=true -Dbuildtype=debugoptimized && scripts/check_threads.py build-test
}
# A source that no meson.build names is neither compiled nor tested: it is listed, and that is a failure.
built()
{
    ! comm -23 <(git ls-files '*.c' | sort) <(jq -r '.[].file' build-asan/compile_commands.json | sed 's|^\.\./||' | sort -u) |
        grep .
}

# DIR KIND
with_sanitizer()
{
    [ -f "$1/build.ninja" ] || CC=clang meson setup -Dbuildtype=debugoptimized -Db_sanitize="$2" -Db_lundef=false \
        -Dtest_hooks=true "$1"
}
# DIR SUITE...: slow, so five times the time.
sanitized() { meson test -C "$1" -t 5 "${@:2}" --print-errorlogs; }
# Tests ask for absurd sizes and want what malloc itself answers.
allocator=allocator_may_return_null=1
# Everything is built, so that clang has seen it: clang's build without a sanitizer has no other warnings.
asan()
{
    with_sanitizer build-asan address,undefined && ninja -C build-asan && built &&
        ASAN_OPTIONS=$allocator:detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        sanitized build-asan --suite unit --suite fuzz
}
# What has one thread has no race: only the tests that link threads are built and run.
tsan()
{
    with_sanitizer build-tsan thread && TSAN_OPTIONS=$allocator:halt_on_error=1 sanitized build-tsan --suite threads
}

# Tests are not analysed: the sanitizers run them.
tidy()
{
    with_sanitizer build-asan address,undefined && ninja -C build-asan || return 1
    run-clang-tidy -quiet -p build-asan -j "$(nproc)" '/(src|cli|nginx|fuzz)/(?!(.*/)?test_)'
}

passed=0 failed=0
if [ $# -eq 0 ]; then
    set -- format deps banned shell gcc threads asan tsan tidy
fi
for step in "$@"; do
    began=$SECONDS
    if "$step" > "$logs/$step.log" 2>&1; then
        verdict=PASS
        passed=$((passed + 1))
    else
        verdict=FAIL
        failed=$((failed + 1))
    fi
    printf '%s %-7s %4d s\n' "$verdict" "$step" $((SECONDS - began))
    if [ "$verdict" = FAIL ]; then
        grep -vE '^\[[0-9]+/[0-9]+\]|warnings? generated|^clang-tidy ' "$logs/$step.log" | tail -n 60 | sed 's/^/    /'
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
