#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_settings.sh MPIRUN DIRECTORY: Law 1. Ranks that were started with different settings find out at set-up, warn once,
# and agree; settings that may differ do not warn.
mpirun=$1 verify=$2/law_verify
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

# both FIRST SECOND: three ranks with the first assignment, one with the second ("" for none)
both() {
    # A shell on each rank, and not mpirun's own ":", on which Debian 13's mpirun (5.0.7) crashes.
    # shellcheck disable=SC2016
    timeout 60 "$mpirun" -n 4 sh -c 's=$2; [ "$OMPI_COMM_WORLD_RANK" = 3 ] && s=$3
        [ -z "$s" ] || export "$s"
        exec "$1" 1' sh "$verify" "$1" "$2" >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "'$1' and '$2': wrong results or a hang"
    }
}

lines() {
    grep -c '^vcoll' "$scratch/out"
}

for setting in VCOLL_ALG=allreduce=ring VCOLL_NODE_SPLIT=2 VCOLL_CHANNELS=mpi VCOLL_SHM_BULK=64k VCOLL_COLLS=bcast \
    VCOLL_CMA_MIN=1k VCOLL_REPRODUCIBLE=1 VCOLL_SETUP_AFTER=3 VCOLL_DISABLE=1; do
    for order in 1 2; do
        if [ $order = 1 ]; then both "$setting" ""; else both "" "$setting"; fi
        cat "$scratch/out" >>"$scratch/all"
        [ "$(lines)" = 1 ] || {
            cat "$scratch/out"
            fail "$setting on some ranks: $(lines) lines of vcoll, wanted one warning"
        }
        grep -q '^ok passive' "$scratch/out" || grep -q '^ok unknown' "$scratch/out" || {
            cat "$scratch/out"
            fail "$setting on some ranks: still active"
        }
    done
done
for setting in VCOLL_WAIT=event VCOLL_SPIN_US=10; do
    both "$setting" ""
    [ "$(lines)" = 0 ] && grep -q '^ok active' "$scratch/out" || {
        cat "$scratch/out"
        fail "$setting may differ between ranks"
    }
done
# What only some ranks want to know must not make the others wait.
both "VCOLL_STATS=text" ""
both "" "VCOLL_STATS=json"
echo ok
