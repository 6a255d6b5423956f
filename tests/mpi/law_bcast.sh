#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_bcast.sh MPIRUN DIRECTORY: Law 6. Broadcasts whose counts differ between ranks end in an error that names both
# lengths, whatever node algorithm each side's length selects.
mpirun=$1 prog=$2/law_bcast
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

# RANKS ALGORITHM COUNTS...: in ints. Slots have 120, 4096 and more bytes; single copy begins at some KiB.
try() {
    n=$1 alg=$2
    shift 2
    VCOLL_ALG=$alg timeout -k 5 60 "$mpirun" -n "$n" "$prog" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc != 77 ] || skip "no vcoll"
    if [ $rc != 0 ]; then
        cat "$scratch/out"
        fail "$n ranks, $alg, $*: exit code $rc"
    fi
    while [ $# -ge 2 ]; do
        [ "$1" != 0 ] && [ "$2" != 0 ] || { shift 2; continue; }
        grep -aq "rank 0 broadcasts $(($1 * 4)) bytes where rank $((n - 1)) expects $(($2 * 4))" "$scratch/out" || {
            cat "$scratch/out"
            fail "$n ranks, $alg: no line names $1 and $2 ints"
        }
        shift 2
    done
}

try 2 auto 40000 60000 100 50000 50000 100 4 8 2 1000 0 4 4 0
try 3 auto 40000 60000 100 50000 50000 100 4 8
try 2 bcast=shm 40000 60000 2000 1200 20 5000
try 2 bcast=shm_cma 40000 60000 4 8

# Without bulk slots what is longer than 32 KiB is left to the MPI, in which that side stays.
for counts in "50000 100" "100 50000" "9000 8000"; do
    # shellcheck disable=SC2086
    VCOLL_SHM_BULK=0 timeout -k 5 30 "$mpirun" -n 3 "$prog" fatal $counts >"$scratch/out" 2>&1 </dev/null
    rc=$?
    if [ $rc = 0 ] || [ $rc -ge 124 ] || ! grep -aq 'the counts differ\|the counts of a broadcast differ' "$scratch/out"; then
        cat "$scratch/out"
        fail "$counts, one side by the MPI: exit code $rc"
    fi
done
