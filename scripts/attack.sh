#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: attack.sh [--only NAME,…] [--list] [--write]: attacks on a gateway of its own, on loopback (tests/attack/run.py).
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh build-test -Dtest_hooks=true -Dbuildtype=debugoptimized
AAITI_BUILD=$PWD/build-test exec /usr/bin/python3 tests/attack/run.py "$@"
