#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_ft.sh MPIRUN DIRECTORY: Law 6 in fault-tolerant jobs. Ranks that wait in vcoll hear of a revoked communicator and of dead
# members, with the error classes of the MPI standard, and go on without them; on one node, between nodes over the mpi
# channel, and under each way to wait.
mpirun=$1 prog=$2/law_ft
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

run() {
    survivors=$1
    shift
    timeout -k 5 60 "$mpirun" --with-ft ulfm -n 4 "$prog" "$@" >"$scratch/out" 2>&1 </dev/null
    class=77
    [ "$1" != kill ] || class=75
    grep -a -q "class $class after" "$scratch/out" || {
        cat "$scratch/out"
        fail "$*: no rank got class $class"
    }
    n=$(grep -a -c '^rank [0-9]*: class .* ok$' "$scratch/out")
    [ "$n" = "$survivors" ] || {
        cat "$scratch/out"
        fail "$* (VCOLL_WAIT=$VCOLL_WAIT VCOLL_NODE_SPLIT=$VCOLL_NODE_SPLIT): $n of $survivors ranks went on"
    }
}

for split in 0 2; do
    export VCOLL_NODE_SPLIT=$split
    for how in "auto small" "event barrier" "poll large"; do
        set -- $how
        export VCOLL_WAIT=$1
        run 3 kill "$2"
        run 4 revoke "$2"
    done
    run 4 revoked small
done
echo ok
