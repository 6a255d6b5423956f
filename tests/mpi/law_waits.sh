#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_waits.sh MPIRUN DIRECTORY: ranks sleep in the MPI's waits for nonblocking collectives, where the policy says so.
mpirun=$1 dir=$2
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_WAIT=event

for way in MPI_Wait MPI_Waitall MPI_Waitany MPI_Waitsome; do
    # No limit of CPU time, so that other tests may run beside this one: the sleeps count.
    timeout 60 "$mpirun" -n 4 "$dir/law_cool" 99 $way 0.3 >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "$way"
    }
    sleeps=$(sed -n 's/.*each slept \([0-9]*\) times.*/\1/p' "$scratch/out")
    [ "${sleeps:-0}" -ge 1 ] || fail "$way: a rank waited without a sleep: $(cat "$scratch/out")"
done
echo ok
