#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make tls` does: what of the end-to-end tests takes minutes. testssl.sh looks at the listener, and docs/tls.md's recipe gets certificates
# of an authority on loopback. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh build-test -Dtest_hooks=true -Dbuildtype=debugoptimized
AAITI_BUILD=$PWD/build-test exec /usr/bin/python3 -m pytest tests/e2e/slow_acme.py tests/e2e/slow_testssl.py -q -p no:cacheprovider "$@"
