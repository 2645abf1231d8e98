#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make test` does: installs what is missing, builds the release (its tests are the test build's) and the test build, runs unit,
# replay and end-to-end tests, and closes with `N passed, N failed, N skipped`. Arguments go to pytest (-n 0: one process, for --pdb).
set -uo pipefail
cd "$(dirname "$0")/.."

fail()
{
    echo "test.sh: $1" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

scripts/install.sh run build test || fail "packages are missing"
scripts/browser.sh || fail "there is no browser, and CI may not do without"
scripts/build.sh build product || fail "the release does not build"
scripts/build.sh build-test -Dtest_hooks=true -Dbuildtype=debugoptimized || fail "the test build does not build"

# Results of an earlier run must not be counted when this one dies before it writes its own.
rm -f build-test/meson-logs/testlog.json build-test/e2e.xml
meson test -C build-test --no-rebuild --print-errorlogs
# Four files side by side, for most of them wait most of the time; the tests of one file share fixtures, so they stay together.
AAITI_BUILD=$PWD/build-test /usr/bin/python3 -m pytest tests/e2e -q -p no:cacheprovider -n 4 --dist loadfile \
    --junitxml=build-test/e2e.xml "$@" < /dev/null
/usr/bin/python3 scripts/tally.py build-test/meson-logs/testlog.json build-test/e2e.xml
