#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: install.sh [GROUP ...]: installs the packages of scripts/packages.txt (of these groups, or all) that are missing or
# too old, and as root makes the system users that the two planes run as. Says nothing when there is nothing to do. Works as
# root, and as a user who may sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
groups=("$@")
policy=/usr/sbin/policy-rc.d
policy_is_ours=
log=

# "NAME [VERSION]" of each package asked for; a group begins with the line `# ---- GROUP: …`.
packages()
{
    awk -v groups="${groups[*]}" '
        /^# ---- / { in_group = groups == "" || index(" " groups " ", " " substr($3, 1, length($3) - 1) " ") }
        { sub(/#.*/, "") }
        NF && in_group { print $1, $2 }' scripts/packages.txt
}

# Names that dpkg does not have, or not new enough. A nodejs from elsewhere brings its own npm and says so.
missing()
{
    local -A have=()
    local name version status provides least
    while IFS=$'\t' read -r name version status provides; do
        if [ "$status" = installed ]; then
            have[$name]=$version
            [[ ", $provides," != *", npm,"* ]] || have[npm]=$version
        fi
    done < <(packages | cut -d ' ' -f 1 |
        xargs dpkg-query -W -f '${Package}\t${Version}\t${db:Status-Status}\t${Provides}\n' 2> /dev/null || true)
    while read -r name least; do
        if [ -z "${have[$name]:-}" ]; then
            echo "$name"
        elif [ -n "$least" ] && dpkg --compare-versions "${have[$name]}" lt "$least"; then
            echo "$name"
        fi
    done < <(packages)
}

clean_up()
{
    rm -f "$log" ${policy_is_ours:+"$policy"}
}

# Says nothing of what goes well, everything of what does not: apt alone would write a thousand lines.
quietly()
{
    "$@" > "$log" 2>&1 < /dev/null && return
    cat "$log" >&2
    echo "install.sh: \`$*\` failed; its output is above" >&2
    exit 1
}

# Before minutes are spent: a version that is too old comes of sources without the security updates.
refuse_too_old()
{
    local name least offered
    while read -r name least; do
        offered=$(apt-cache policy "$name" | awk '$1 == "Candidate:" { print $2 }')
        if [ -n "$least" ] && dpkg --compare-versions "${offered:-0}" lt "$least"; then
            echo "install.sh: needs $name $least, and apt offers ${offered:-none}: Debian 12's security updates are not among its sources. As root:
  echo 'deb http://deb.debian.org/debian-security bookworm-security main' > /etc/apt/sources.list.d/bookworm-security.list" >&2
            exit 1
        fi
    done < <(packages)
}

# Debian's nginx starts itself when installed, on port 80, and again at each boot, and so does prometheus, of which only promtool is
# wanted, and certbot its timer. Services may not be started while apt works, and those that are new are not enabled.
apt_install()
{
    local new=()
    [ -e /usr/sbin/nginx ] || new+=(nginx.service)
    [ -e /usr/bin/prometheus ] || new+=(prometheus.service)
    [ -e /usr/bin/certbot ] || new+=(certbot.timer)
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
        policy_is_ours=yes
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    quietly "${apt[@]}" update
    refuse_too_old
    quietly "${apt[@]}" install -y --no-install-recommends "$@"
    if [ "${#new[@]}" -gt 0 ] && command -v systemctl > /dev/null; then
        systemctl disable --quiet "${new[@]}" 2> /dev/null || true
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
        exec sudo -- "$PWD/scripts/install.sh" "$@"
    fi
    echo "install.sh: installing with apt, which takes some minutes: ${wanted[*]}"
    apt_install "${wanted[@]}"
    mapfile -t wanted < <(missing)
    if [ "${#wanted[@]}" -gt 0 ]; then
        echo "install.sh: apt installed no (new enough) ${wanted[*]}" >&2
        exit 1
    fi
fi
[ "$(id -u)" -ne 0 ] || make_users
