# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the scripts: progress lines, and mpirun as root.
# shellcheck shell=bash

script_began=$SECONDS

# One line for each stage, with the time since the start.
step() {
    local t=$((SECONDS - script_began))
    printf '\n== [%d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*"
}

# Runs a command silently; shows what it said when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" > "$log" 2>&1 < /dev/null; then
        cat "$log" >&2
        rm -f "$log"
        printf 'failed: %s\n' "$*" >&2
        return 1
    fi
    rm -f "$log"
}

# mpirun refuses to run as root unless told twice. In containers and CI there is nobody else.
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
