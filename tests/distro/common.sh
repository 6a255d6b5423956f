# SPDX-License-Identifier: BSD-3-Clause
# Sourced by run and selftest: messages, and where things are kept.
# shellcheck shell=bash disable=SC2034

distro_caches=${VCOLL_DISTRO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vcoll-distro}
distro_quiet=
readonly DISTRO_BROKEN=125 # exit code when the release could not be entered, and not the command in it

# Progress, with the time since the start.
say() {
    [ -z "$distro_quiet" ] || return 0
    printf 'distro: [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2
}

complain() {
    printf 'distro: %s\n' "$*" >&2
}

die() {
    complain "$@"
    exit $DISTRO_BROKEN
}

usage_error() {
    complain "$1 (--help explains)"
    exit 2
}

# Whether this process still runs; zombies count as gone.
alive() {
    local stat
    [ -n "${1:-}" ] && { read -r stat < "/proc/$1/stat"; } 2> /dev/null && [[ ${stat##*) } != Z* ]]
}
