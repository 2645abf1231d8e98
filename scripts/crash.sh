#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: crash.sh [KILLS [SEED]]: kill -9 of the gateway's processes under load (tests/crash/crash.py).
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh build-test -Dtest_hooks=true -Dbuildtype=debugoptimized
AAITI_BUILD=$PWD/build-test exec /usr/bin/python3 tests/crash/crash.py --kills "${1:-500}" ${2:+--seed "$2"}
