#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the packages of scripts/packages.txt that are missing or too old, and as root makes the system users that the
# two planes run as. Says nothing when there is nothing to do. Works as root, and as a user who may sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
list=scripts/packages.txt

# Names that dpkg does not have, or not new enough.
missing()
{
    local -A have=()
    local name version status least
    while IFS=$'\t' read -r name version status; do
        if [ "$status" = installed ]; then
            have[$name]=$version
        fi
    done < <(sed 's/#.*//' "$list" | awk 'NF { print $1 }' |
        xargs dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Status}\n' 2>/dev/null || true)
    while read -r name least; do
        if [ -z "${have[$name]:-}" ]; then
            echo "$name"
        elif [ -n "$least" ] && dpkg --compare-versions "${have[$name]}" lt "$least"; then
            echo "$name"
        fi
    done < <(sed 's/#.*//' "$list" | awk 'NF { print $1, $2 }')
}

# Debian's nginx starts itself when installed, on port 80, and again at each boot. It is ours to start, so services may not
# be started while apt works, and a new nginx is not enabled.
apt_install()
{
    local policy=/usr/sbin/policy-rc.d had_nginx=yes
    [ -e /usr/sbin/nginx ] || had_nginx=no
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "$@" < /dev/null
    if [ "$had_nginx" = no ] && command -v systemctl > /dev/null; then
        systemctl disable --quiet nginx.service || true
    fi
}

make_users()
{
    getent group aaiti-web > /dev/null || groupadd --system aaiti-web
    getent passwd aaiti-web > /dev/null ||
        useradd --system --gid aaiti-web --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin aaiti-web
    getent passwd aaiti > /dev/null ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin aaiti
    # Control gives its web socket to this group, so that workers may connect and nobody else.
    id -nG aaiti | grep -qw aaiti-web || usermod -a -G aaiti-web aaiti
}

if ! command -v dpkg-query > /dev/null; then
    echo "install.sh: this is not Debian; install by hand what scripts/packages.txt names" >&2
    exit 1
fi
mapfile -t wanted < <(missing)
if [ "${#wanted[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo > /dev/null; then
            echo "install.sh: missing: ${wanted[*]}" >&2
            echo "install.sh: run as root, or have sudo:  apt-get install --no-install-recommends ${wanted[*]}" >&2
            exit 1
        fi
        echo "install.sh: installing with sudo: ${wanted[*]}"
        exec sudo -- "$PWD/scripts/install.sh"
    fi
    echo "install.sh: installing: ${wanted[*]}"
    apt_install "${wanted[@]}"
    mapfile -t wanted < <(missing)
    if [ "${#wanted[@]}" -gt 0 ]; then
        echo "install.sh: apt has no (new enough) ${wanted[*]}; is this Debian 12 with its security updates?" >&2
        exit 1
    fi
fi
[ "$(id -u)" -ne 0 ] || make_users
