# SPDX-License-Identifier: BSD-3-Clause
# run and packages source this file: messages, and where releases are kept.
# shellcheck shell=bash disable=SC2034

distro_caches=${VCOLL_DISTRO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vcoll-distro}
distro_quiet=
readonly DISTRO_BROKEN=125 # exit code if the release could not be entered, in contrast to a failure of the command in it

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

# Whether this process still runs; a zombie does not.
alive() {
    local stat
    [ -n "${1:-}" ] && { read -r stat < "/proc/$1/stat"; } 2> /dev/null && [[ ${stat##*) } != Z* ]]
}
