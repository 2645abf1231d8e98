#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Breaks the gateway on purpose, one line at a time, in a copy of the tree, and sees whether the named test turns red.
# scripts/sabotage.txt holds a row a sabotage. Closes with `N caught, M missed`; exit 1 when one was missed.
set -uo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
rows=$copy/scripts/sabotage.txt
caught=0 missed=0

in_copy()
{
    (cd "$copy" && "$@") > "$copy/log" 2>&1
}

miss()
{
    echo "MISSED  $name: $1"
    missed=$((missed + 1))
}

# TEST...: their programs, as ninja names them.
programs()
{
    jq -r --args '.[] | select(.name | IN($ARGS.positional[])) | .cmd[0]' "$@" < "$copy/build/meson-info/intro-tests.json" |
        sed "s|^$copy/build/||"
}

# A row: name | file | sed script | meson test. The script must change the file, the result must build, the test must fail.
# Only the test's program is built: all others would be linked anew for each row.
try()
{
    cp "$copy/$file" "$copy/original"
    sed -i -E "$script" "$copy/$file"
    if cmp -s "$copy/$file" "$copy/original"; then
        miss "the line is not in $file any more; mend scripts/sabotage.txt"
    elif ! in_copy ninja -C build "$(programs "$test")"; then
        miss "does not build, so no test can tell"
        tail -5 "$copy/log"
    elif in_copy meson test -C build --no-rebuild "$test"; then
        miss "$test stayed green"
    else
        echo "caught  $name: $test turned red"
        caught=$((caught + 1))
    fi
    cp "$copy/original" "$copy/$file"
}

trim()
{
    local s=$1
    s=${s#"${s%%[![:space:]]*}"}
    printf '%s' "${s%"${s##*[![:space:]]}"}"
}

# -Wno-error: a sabotage leaves things unused, and that is not the test that should catch it.
tests=$(grep -v '^#' "$rows" | awk -F'\t+' 'NF >= 4 {print $4}' | sort -u)
# shellcheck disable=SC2046,SC2086
in_copy meson setup build -Dwerror=false -Dbuildtype=debugoptimized && in_copy ninja -C build $(programs $tests) ||
    { tail -20 "$copy/log"; echo "0 caught, 1 missed"; exit 1; }
# shellcheck disable=SC2086
in_copy meson test -C build --no-rebuild $tests ||
    { grep -E 'FAIL|TIMEOUT' "$copy/log"; echo "a named test is red before anything was broken"; echo "0 caught, 1 missed"; exit 1; }

while IFS=$'\t' read -r name file script test; do
    [ -z "$name" ] || [ "${name:0:1}" = '#' ] && continue
    name=$(trim "$name") file=$(trim "$file") script=$(trim "$script") test=$(trim "$test")
    try
done < <(tr -s '\t' < "$rows")
echo "$caught caught, $missed missed"
[ "$missed" = 0 ]
