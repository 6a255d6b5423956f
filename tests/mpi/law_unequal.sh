#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_unequal.sh MPIRUN DIRECTORY: Law 6. Where the count of one rank selects the node's memory and that of another the MPI, those
# that wait in memory end the program with an error that names both lengths.
mpirun=$1 prog=$2/law_unequal
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

colls="allreduce allgather alltoall scan exscan reduce gather scatter reduce_scatter_block reduce_scatter"
{
    echo '{"vcoll_table": 1, "rules": ['
    for coll in $colls; do
        echo "{\"collective\": \"$coll\", \"bytes\": [0, \"32k\"], \"algorithm\": \"shm\"},"
    done
    echo '{"collective": "barrier", "algorithm": "shm"}, {"algorithm": "native"}]}'
} >"$scratch/table.json"

# TEXT COLLECTIVE N LAST: in doubles.
try() {
    text=$1
    shift
    VCOLL_TABLE=$scratch/table.json timeout -k 5 30 "$mpirun" -n 3 "$prog" fatal "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc != 77 ] || skip "no vcoll"
    if [ $rc = 0 ] || [ $rc -ge 124 ] || ! grep -q "$text" "$scratch/out"; then
        cat "$scratch/out"
        fail "$*: exit code $rc"
    fi
}

for coll in $colls; do
    try "72000 bytes where rank . comes with 24000: the counts differ" "$coll" 3000 9000
    # Who gives and does not wait finds out in the next call.
    try "differ" "$coll" 9000 3000
done
