#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# instructions.sh PROGRAM RANKS...: instructions of a call of 8 bytes of each collective through the node's memory, in rank 0, for
# so many ranks. Prints, and asserts nothing but that it can count. Rank 0 runs under callgrind, which counts from the program's call of
# MPI to its return, all libraries included. Before each call it sleeps, so that the others are there and it polls nothing in
# vain; the least and the median of the calls are printed, which are the same where that succeeded.
set -eu
command -v valgrind > /dev/null || { echo "valgrind is not installed: skipped"; exit 77; }
program=$1
shift
out=$(mktemp -d "${TMPDIR:-/tmp}/vc_instructions.XXXXXX")
trap 'rm -rf "$out"' EXIT
kinds="allreduce barrier bcast_root bcast_other reduce_root reduce_other allgather alltoall gather_root gather_other scatter_root scatter_other iallreduce ibcast_root ibcast_other ialltoall"
dump=
for kind in $kinds; do dump="$dump --dump-after=measured_$kind"; done
export VCOLL_WAIT=poll VCOLL_SETUP_AFTER=1 VC_OUT="$out" VC_DUMP="$dump" VC_LIB="$VC_TEST_PRELOAD"
unset VC_TEST_PRELOAD
for ranks; do
    rm -f "$out"/*
    # Ranks that share CPUs need the time to poll one after another.
    # shellcheck disable=SC2016
    "$(dirname "$0")/../mpirun" -n "$ranks" sh -c '
        if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then
            # shellcheck disable=SC2086
            LD_PRELOAD=$VC_LIB exec valgrind --tool=callgrind --callgrind-out-file="$VC_OUT/cg" --collect-atstart=no \
                "--toggle-collect=measured_*" $VC_DUMP "$@" 2>"$VC_OUT/valgrind"
        fi
        LD_PRELOAD=$VC_LIB exec "$@"' sh "$program" 9 $((ranks > 2 ? 12000 : 500)) || { cat "$out/valgrind"; exit 1; }
    echo "instructions of a call of 8 bytes, $ranks ranks (least, median):"
    for kind in $kinds; do
        grep -l "Trigger: --dump-after=measured_$kind\$" "$out"/cg.* | xargs sed -n 's/^totals: *//p' | sort -n |
            awk -v kind="$kind" '{ n[NR] = $1 }
                END { if (NR == 0) exit 1; printf "  %-14s %6d %6d\n", kind, n[1], n[int((NR + 1) / 2)] }'
    done
done
