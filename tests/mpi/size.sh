#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# size.sh MPIRUN DIRECTORY RANKS [levels]
#
# A few random collectives on many ranks, on communicators of all, of some and of shuffled ranks, each compared with the MPI's
# own: as a user would run them; asleep, with rings so short that messages go round several times; with single copy wherever
# it can be; on nodes of several ranks. With "levels" on made-up topologies instead. VC_TEST_PRELOAD names the library.
mpirun=$1 prog=$2/differential plain=$2/law_verify np=$3 seed=1
here=$(dirname "$0")
. "$here/law_common.sh"
export VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1
export VCOLL_LOG=warn
unset VCOLL_ALG VCOLL_WAIT VCOLL_CHANNELS VCOLL_NODE_SPLIT VCOLL_CMA VCOLL_CMA_MIN VCOLL_SHM_BULK VCOLL_TOPOLOGY

# Cases of a run, seconds after which there are no further ones, and the largest buffer: native calls are what takes the time.
case $np in
[1-3]?) cases=32 seconds=3 bytes=131072 ;;
[4-9]?) cases=20 seconds=3 bytes=65536 ;;
*) cases=10 seconds=4 bytes=16384 ;;
esac

# one ARGS...: one run in the present environment
one() {
    seed=$((seed + 1))
    if ! timeout 120 "$mpirun" -n "$np" "$prog" --seed "$seed" --iterations $cases --seconds $seconds --max-bytes $bytes --report "$@" \
        >"$scratch/out" 2>&1 </dev/null; then
        cat "$scratch/out"
        fail "on $np ranks (WAIT=$VCOLL_WAIT SHM_BULK=$VCOLL_SHM_BULK CMA_MIN=$VCOLL_CMA_MIN TOPOLOGY=$VCOLL_TOPOLOGY)"
    fi
    if grep -v '^ran \|^differential: seed' "$scratch/out" | grep .; then
        fail "unexpected output above"
    fi
    grep '^differential' "$scratch/out"
    [ -n "$VCOLL_NODE_SPLIT" ] || grep -q '^ran [a-z]*=shm' "$scratch/out" || fail "no call went through shared memory"
}

# One to four levels: ranks share a core, cores a cache, caches a NUMA node; in numbers that do not divide each other.
if [ "$4" = levels ]; then
    for VCOLL_TOPOLOGY in "numa:2" "l3:3 core:7" "numa:2 l3:2 core:4" "numa:3 l3:2 core:3"; do
        export VCOLL_TOPOLOGY
        one
    done
    exit 0
fi

one
VCOLL_WAIT=event VCOLL_SHM_BULK=64k
export VCOLL_WAIT VCOLL_SHM_BULK
timeout 120 "$mpirun" -n "$np" "$plain" 1 128 >"$scratch/out" 2>&1 </dev/null && grep -q '^ok active' "$scratch/out" || {
    cat "$scratch/out"
    fail "law_verify on $np ranks"
}
# Not on more ranks than that: each run takes as long as starting them does.
[ "$np" -lt 64 ] || exit 0
one
unset VCOLL_WAIT VCOLL_SHM_BULK

VCOLL_ALG=bcast=shm_cma,reduce=shm_cma,allreduce=shm_cma,allgather=shm_cma,alltoall=shm_cma,gather=shm_cma,scatter=shm_cma VCOLL_CMA_MIN=1k
export VCOLL_ALG VCOLL_CMA_MIN
one
unset VCOLL_ALG VCOLL_CMA_MIN
VCOLL_SHM_BULK=0 VCOLL_WAIT=hybrid VCOLL_NODE_SPLIT=3
export VCOLL_SHM_BULK VCOLL_WAIT VCOLL_NODE_SPLIT
one
unset VCOLL_SHM_BULK VCOLL_WAIT VCOLL_NODE_SPLIT

exit 0
