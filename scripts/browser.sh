#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes ready what drives a browser in the tests: Debian's Chromium, and what tests/browser/package-lock.json pins. Where that cannot be
# had the tests that need it are skipped and counted, which is no failure here unless CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

have_modules()
{
    [ tests/browser/node_modules/.package-lock.json -nt tests/browser/package-lock.json ]
}

fetch_modules()
{
    local log
    log=$(mktemp)
    npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund > "$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; return 1; }
    rm -f "$log"
}

if scripts/install.sh browser && { have_modules || fetch_modules; }; then
    exit 0
fi
echo "browser.sh: no browser; its tests are skipped" >&2
[ -z "${CI:-}" ]
