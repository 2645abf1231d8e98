#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make run` does once everything is built: makes .aaiti when it is not there, starts the gateway on https://127.0.0.1:$PORT before
# the demo backend, and stops both on Ctrl-C. With UPSTREAM=URL (and UPSTREAM_DB, UPSTREAM_SECRET_FILE) it guards that
# backend instead, from a home directory of its own, .aaiti/upstream.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-8443}
aaiti=build/aaiti
gateway= backend=

fail()
{
    echo "run.sh: $1" >&2
    exit 1
}

# The gateway goes before the backend it speaks to, and is read until it has ended: it must not wait for a reader then.
stop()
{
    trap - EXIT INT TERM HUP
    if [ -n "$gateway" ]; then
        kill "$gateway" 2> /dev/null || true
        cat <&"$gateway_out" >> "$home/gateway.log" || true
    fi
    [ -z "$backend" ] || kill "$backend" 2> /dev/null || true
    wait
}
trap stop EXIT
# The way it is meant to end, so make has nothing to complain of.
trap 'exit 0' INT TERM HUP

# set_line FILE KEY VALUE: the line `KEY: …` of gateway.yaml, which init wrote, says VALUE. Port and backend may differ from run to run.
set_line()
{
    grep -qxF "$2: $3" "$1" || sed -i "s|^$2: .*|$2: $3|" "$1"
}

start_demo_backend()
{
    exec {backend_out}< <(exec /usr/bin/python3 examples/demo-backend/server.py --port 0 --users "$home/demo-users.json" \
        --secret-file "$home/keys/upstream.key" 2>> "$home/demo-backend.log")
    backend=$!
    read -r backend_port <&"$backend_out" || fail "the demo backend did not start; see $home/demo-backend.log"
    set_line "$home/gateway.yaml" '  url' "\"http://127.0.0.1:$backend_port\""
}

make_demo_home()
{
    home=.aaiti
    # Quiet once everything is there; the first time it shows the passwords.
    if [ -e "$home/demo-users.json" ]; then
        "$aaiti" --home "$home" init --demo > /dev/null
    else
        "$aaiti" --home "$home" init --demo 2>&1 | grep -v '"level":"info"'
        list_origins
    fi
}

# A frontend in development has a server of its own; whoever takes these lines out again is not given them back.
list_origins()
{
    sed -i -e 's|^# cors:$|cors:|' -e 's|^#   origins: .*|  origins: ["http://localhost:3000", "https://localhost:3000"]|' "$home/gateway.yaml"
}

make_upstream_home()
{
    [[ "$UPSTREAM" =~ ^https?://[][A-Za-z0-9.:_-]+/?$ ]] || fail "UPSTREAM is a URL such as http://127.0.0.1:5000, not $UPSTREAM"
    mkdir -p -m 700 .aaiti
    home=.aaiti/upstream
    if [ ! -e "$home/keys/upstream.key" ] && [ -z "${UPSTREAM_SECRET_FILE:-}" ]; then
        fail "UPSTREAM_SECRET_FILE=FILE is needed the first time: the secret that $UPSTREAM verifies tokens with (its JWT_SECRET)"
    fi
    if [ -n "${UPSTREAM_SECRET_FILE:-}" ] && { [ ! -r "$UPSTREAM_SECRET_FILE" ] || [ -d "$UPSTREAM_SECRET_FILE" ]; }; then
        fail "cannot read $UPSTREAM_SECRET_FILE: let UPSTREAM_SECRET_FILE name a file with the backend's JWT_SECRET in it, on one line"
    fi
    # Of what it made, and of what was there, nobody needs to read each time.
    local said
    said=$("$aaiti" --home "$home" init ${UPSTREAM_SECRET_FILE:+--upstream-secret-file "$UPSTREAM_SECRET_FILE"} 2>&1 > /dev/null) ||
        fail "${said#aaiti: }"
    if [ -n "${UPSTREAM_SECRET_FILE:-}" ] && ! cmp -s "$UPSTREAM_SECRET_FILE" "$home/keys/upstream.key"; then
        cat -- "$UPSTREAM_SECRET_FILE" > "$home/keys/upstream.key"
    fi
    set_line "$home/gateway.yaml" '  url' "\"$UPSTREAM\""
    [ -z "${UPSTREAM_DB:-}" ] || import_users
}

import_users()
{
    local said status=0
    said=$("$aaiti" --home "$home" user import --from-aaiti "$UPSTREAM_DB" 2>&1) || status=$?
    # Refused users are no reason not to start; a file that could not be read is.
    if [ "$status" -ne 0 ] && ! grep -q '^refused ' <<< "$said"; then
        fail "UPSTREAM_DB: ${said##*aaiti: }"
    fi
    awk -v db="$UPSTREAM_DB" '$1 == "refused"; { n[$1]++ }
        END { printf "Users of %s: %d added, %d kept, %d refused (they cannot sign in)\n", db, n["added"], n["kept"], n["refused"] }' <<< "$said"
}

start_gateway()
{
    : > "$home/gateway.log"
    exec {gateway_out}< <(exec "$aaiti" --home "$home" serve 2>&1)
    gateway=$!
}

# show [PREFIX]: all that the gateway says goes to its log, and what is no mere notice to the terminal. True once a line begins with
# PREFIX, false when the gateway has ended.
show()
{
    local line
    while IFS= read -r line <&"$gateway_out"; do
        printf '%s\n' "$line" >> "$home/gateway.log"
        case $line in
            *'"level":"info"'* | *' [notice] '*) ;;
            *) printf '%s\n' "$line" ;;
        esac
        if [ -n "${1:-}" ] && [[ $line == "$1"* ]]; then
            return 0
        fi
    done
    return 1
}

# By the shell alone: a program in the foreground would have its own say when a signal ends it.
say()
{
    local text
    IFS= read -r -d '' text || true
    printf '\n%s' "$text"
}

say_demo()
{
    say << TXT
The gateway is on https://127.0.0.1:$port, before a demo backend. Ctrl-C stops both. In another terminal, in this directory:
  url=https://127.0.0.1:$port users=$home/demo-users.json
  ask() { curl -s --cacert $home/tls/cert.pem "\$@"; echo; }
  login() { jq ".\$1 | {username, password}" \$users | ask --json @- \$url/api/auth/login | jq -r .token; }
  trader=\$(login trader) viewer=\$(login viewer)
  ask \$url/api/bots -H "Authorization: Bearer \$trader"                       # the bots
  ask \$url/api/bots/bot-1/start -X POST -H "Authorization: Bearer \$trader"   # a bot is started
  ask \$url/api/bots/bot-1/start -X POST -H "Authorization: Bearer \$viewer"   # 403: a viewer only reads
  ask \$url/api/bots                                                          # 401: nobody is signed in
  $aaiti --home $home explain \$(ask \$url/api/bots | jq -r .instance)         # that refusal, by its id
  $aaiti --home $home explain POST /api/bots/bot-1/start --as viewer           # why
TXT
}

say_upstream()
{
    say << TXT
The gateway is on https://127.0.0.1:$port, before $UPSTREAM. Ctrl-C stops it. In another terminal, in this directory:
  $aaiti --home $home user list                       # who may sign in: the backend's users, with their passwords there
  curl -s --cacert $home/tls/cert.pem https://127.0.0.1:$port/aaiti/health
  curl -s --cacert $home/tls/cert.pem https://127.0.0.1:$port/api/auth/login --json '{"username":"…","password":"…"}'
  $aaiti --home $home policy list                     # what each route asks for
TXT
}

if [ -n "${UPSTREAM:-}" ]; then
    make_upstream_home
else
    make_demo_home
    start_demo_backend
fi
set_line "$home/gateway.yaml" listen "127.0.0.1:$port"
start_gateway
show 'ready: ' || fail "the gateway did not start; what it said is in $home/gateway.log"
if [ -n "${UPSTREAM:-}" ]; then
    say_upstream
else
    say_demo
fi
show || wait "$gateway" || fail "the gateway ended; what it said is in $home/gateway.log"
