# SPDX-License-Identifier: BSD-3-Clause
# The scripts source this file: progress lines, and mpirun as root.
# shellcheck shell=bash

script_began=$SECONDS

# One line for each stage, with the time since the start.
step() {
    local t=$((SECONDS - script_began))
    printf '\n== [%d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*"
}

# Runs a command silently. If it fails, its output is shown.
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

# mpirun runs as root only if both variables are set. In containers and CI there often is no other user.
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
