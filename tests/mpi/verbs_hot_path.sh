#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: verbs_hot_path.sh PROGRAM. As hot_path.sh, over the loopback verbs device in poll mode, whose own allocations, locks and
# system calls do not count. It moves data by process_vm_writev(), which vcoll calls in shared memory alone, so that is not traced; of
# other system calls the innermost frame outside of the C library says whose they are.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
here=$(dirname "$0")
. "$here/hot_path_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_CHANNELS=verbs VCOLL_WAIT=poll VC_HOT_EXCLUDE=libvcoll_loopback_verbs
until_clean "$here/../mpirun" -n 2 "$1"

command -v strace > /dev/null || { echo "strace is not installed: skipped"; exit 77; }
strace -k -o /dev/null true 2> /dev/null || { echo "strace shows no stacks: skipped"; exit 77; }
export VC_HOT_LOG="$log" VC_HOT_TRACED=1
# One run in which rank 0 is traced. Exit code 8: the median batch was not without system calls.
traced() {
    "$here/../mpirun" -n 2 "$1" || return
    # Per batch: the number of calls of the marking thread between an odd mark and the next.
    awk '
        / getppid\(/ { if (inside) { batches++; if (n == 0) free++ } inside = !inside; n = 0; pid = $1; next }
        /^ > / {
            if (open && $0 !~ /\/libc\.so|\/libc-/) {
                if ($0 !~ /libvcoll_loopback_verbs/) n++
                open = 0
            }
            next
        }
        { open = inside && $1 == pid }
        END {
            printf "%d of %d batches without a system call\n", free, batches
            exit batches != 100 ? 1 : 2 * free < batches ? 8 : 0
        }' "$log"
}
until_clean traced "$1"
