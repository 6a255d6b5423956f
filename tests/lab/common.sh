# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the lab's commands: messages, numbers, where things are kept.
# shellcheck shell=bash disable=SC2034,SC2154

lab_caches=${VCOLL_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vcoll-lab}
lab_name=lab # what its messages begin with
lab_quiet=
lab_verbose=
readonly LAB_BROKEN=125 # exit code when the lab itself failed, and not the program in it
readonly LAB_MAX_VMS=4

lab_began=${EPOCHREALTIME/[.,]/}

# Progress, with the seconds since the start.
say() {
    local ms
    [ -z "$lab_quiet" ] || return 0
    ms=$(((${EPOCHREALTIME/[.,]/} - lab_began) / 1000))
    printf '%s: [%3d.%d] %s\n' "$lab_name" $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}

complain() {
    printf '%s: %s\n' "$lab_name" "$*" >&2
}

die() {
    complain "$@"
    exit $LAB_BROKEN
}

usage_error() {
    complain "$1 (--help explains)"
    exit 2
}

# whole_number VALUE MIN MAX OPTION
whole_number() {
    [[ $1 =~ ^[0-9]{1,9}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3)) ||
        usage_error "$4 $1: must be a number from $2 to $3"
}

# Runs a command silently; shows what it said when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" > "$log" 2>&1 < /dev/null; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Whether this process still runs; zombies count as gone. Asked often: starts no other process.
alive() {
    local stat
    [ -n "${1:-}" ] && { read -r stat < "/proc/$1/stat"; } 2> /dev/null && [[ ${stat##*) } != Z* ]]
}

# Reads a number out of a file, to the variable that is named; empty when there is none.
read_number() {
    local found=
    { read -r found < "$2"; } 2> /dev/null
    printf -v "$1" %s "$found"
}
