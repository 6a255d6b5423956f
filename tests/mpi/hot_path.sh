#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: hot_path.sh PROGRAM. Runs it with rank 0 under strace and counts the system calls between its marks.
set -eu
command -v strace > /dev/null || { echo "strace is not installed: skipped"; exit 77; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
here=$(dirname "$0")
. "$here/hot_path_common.sh"
export VC_HOT_LOG="$log" VCOLL_SETUP_AFTER=1 VC_HOT_PRELOAD="$VC_TEST_PRELOAD"
unset VC_TEST_PRELOAD
# One run with rank 0 under strace. Exit code 8: the median batch was not without system calls.
traced() {
    # The library goes into the ranks alone, not into strace.
    # shellcheck disable=SC2016
    "$here/../mpirun" -n 2 sh -c '
        if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then
            exec strace -f -o "$VC_HOT_LOG" -E LD_PRELOAD="$VC_HOT_PRELOAD" "$1"
        fi
        LD_PRELOAD="$VC_HOT_PRELOAD" exec "$1"' sh "$1" || return
    # Per batch: the number of calls of the marking thread between an odd mark and the next.
    awk '
        / getppid\(/ { if (inside) { batches++; if (n == 0) free++ } inside = !inside; n = 0; pid = $1; next }
        inside && $1 == pid { n++ }
        END {
            printf "%d of %d batches without a system call\n", free, batches
            exit batches != 400 ? 1 : 2 * free < batches ? 8 : 0
        }' "$log"
}
until_clean traced "$1"
