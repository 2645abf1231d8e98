#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make run` does once everything is built: makes .aaiti when it is not there, starts the gateway on https://127.0.0.1:$PORT before
# the demo backend, and stops both on Ctrl-C. With UPSTREAM=URL (and UPSTREAM_DB, UPSTREAM_SECRET_FILE) it guards that
# backend instead, from a home directory of its own, .aaiti/upstream.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-8443}
aaiti=build/aaiti
children=()

fail()
{
    echo "run.sh: $1" >&2
    exit 1
}

stop()
{
    trap - EXIT INT TERM
    # Newest first: the gateway goes before the backend it speaks to.
    local i
    for ((i = ${#children[@]} - 1; i >= 0; i--)); do
        kill "${children[i]}" 2> /dev/null || true
        wait "${children[i]}" 2> /dev/null || true
    done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# set_line FILE KEY VALUE: the line `KEY: …` of gateway.yaml, which init wrote, says VALUE. Port and backend may differ from run to run.
set_line()
{
    grep -qxF "$2: $3" "$1" || sed -i "s|^$2: .*|$2: $3|" "$1"
}

start_demo_backend()
{
    exec {backend_out}< <(exec /usr/bin/python3 examples/demo-backend/server.py --port 0 --users "$home/demo-users.json" \
        --secret-file "$home/keys/upstream.key" 2>> "$home/demo-backend.log")
    children+=($!)
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
        "$aaiti" --home "$home" init --demo
    fi
}

make_upstream_home()
{
    [[ "$UPSTREAM" =~ ^https?://[][A-Za-z0-9.:_-]+/?$ ]] || fail "UPSTREAM is a URL such as http://127.0.0.1:5000, not $UPSTREAM"
    mkdir -p -m 700 .aaiti
    home=.aaiti/upstream
    if [ ! -e "$home/keys/upstream.key" ] && [ -z "${UPSTREAM_SECRET_FILE:-}" ]; then
        fail "UPSTREAM_SECRET_FILE=FILE is needed the first time: the secret that $UPSTREAM verifies tokens with (its JWT_SECRET)"
    fi
    "$aaiti" --home "$home" init ${UPSTREAM_SECRET_FILE:+--upstream-secret-file "$UPSTREAM_SECRET_FILE"} > /dev/null 2>&1 ||
        "$aaiti" --home "$home" init ${UPSTREAM_SECRET_FILE:+--upstream-secret-file "$UPSTREAM_SECRET_FILE"}
    if [ -n "${UPSTREAM_SECRET_FILE:-}" ] && ! cmp -s "$UPSTREAM_SECRET_FILE" "$home/keys/upstream.key"; then
        cat -- "$UPSTREAM_SECRET_FILE" > "$home/keys/upstream.key"
    fi
    set_line "$home/gateway.yaml" '  url' "\"$UPSTREAM\""
    if [ -n "${UPSTREAM_DB:-}" ]; then
        "$aaiti" --home "$home" user import --from-aaiti "$UPSTREAM_DB" || echo "run.sh: the users refused above cannot sign in" >&2
    fi
}

# Until both planes answer; whoever waits here longer than ten seconds is told why by the gateway's own output above.
wait_until_ready()
{
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        kill -0 "$gateway" 2> /dev/null || fail "the gateway did not start"
        if "$aaiti" --home "$home" health > /dev/null 2>&1; then
            return
        fi
        sleep 0.05
    done
    fail "the gateway is not ready after ten seconds; see \`$aaiti --home $home health\`"
}

say_demo()
{
    cat << TXT

The gateway is on https://127.0.0.1:$port, before a demo backend. Ctrl-C stops both. In another terminal, in this directory:
  url=https://127.0.0.1:$port users=$home/demo-users.json
  ask() { curl -s --cacert $home/tls/cert.pem "\$@"; echo; }
  login() { jq ".\$1 | {username, password}" \$users | ask --json @- \$url/api/auth/login | jq -r .token; }
  trader=\$(login trader) viewer=\$(login viewer)
  ask \$url/api/bots -H "Authorization: Bearer \$trader"                       # the bots
  ask \$url/api/bots/bot-1/start -X POST -H "Authorization: Bearer \$trader"   # a bot is started
  ask \$url/api/bots/bot-1/start -X POST -H "Authorization: Bearer \$viewer"   # 403: a viewer only reads
  ask \$url/api/bots                                                          # 401: nobody is signed in
  $aaiti --home $home explain POST /api/bots/bot-1/start --as viewer           # why
TXT
}

say_upstream()
{
    cat << TXT

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
"$aaiti" --home "$home" serve &
gateway=$!
children+=("$gateway")
wait_until_ready
if [ -n "${UPSTREAM:-}" ]; then
    say_upstream
else
    say_demo
fi
wait "$gateway" || fail "the gateway ended"
