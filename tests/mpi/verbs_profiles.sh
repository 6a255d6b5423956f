#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_profiles.sh MPIRUN DIRECTORY PROFILE: the verbs code over a loopback device with the limits and oddities of a real one
# (tests/loopback/profile.c). Either all goes over verbs, silently and with right results, or the device cannot carry vcoll's messages
# and the MPI does, silently, too.
mpirun=$1 dir=$2 profile=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats" VC_LOOPBACK="profile=$profile"

show() {
    cat "$scratch/out"
    fail "$profile: $*"
}

# run RANKS PROGRAM...
run() {
    rm -f "$scratch/stats"
    np=$1
    shift
    timeout -k 5 60 "$mpirun" -n "$np" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc = 0 ] || show "$np ranks, $*: exit code $rc"
    grep -a -q '^vcoll' "$scratch/out" && show "$np ranks, $*: not silent"
    [ -s "$scratch/stats" ] || show "$np ranks, $*: no statistics"
}

# works RANKS PROGRAM...
works() {
    run "$@"
    grep -a -q '"channel": ".*verbs' "$scratch/stats" || show "$*: verbs were not used"
    grep -a -q '"channel": "mpi' "$scratch/stats" && show "$*: some went over the MPI"
}

case $profile in
erdma | efa | siw)
    # Devices of another transport are as good as none. Not a word, as long as nobody names one.
    export VCOLL_NODE_SPLIT=1
    mkdir "$scratch/lib" && ln -s "$VCOLL_VERBS_LIBRARY" "$scratch/lib/libibverbs.so.1"
    LD_LIBRARY_PATH=$scratch/lib:$LD_LIBRARY_PATH
    export LD_LIBRARY_PATH
    VC_TEST_PRELOAD='' "$mpirun" -n 1 "$dir/law_verify" 1 >/dev/null 2>&1 || skip "this MPI needs the real libibverbs"
    VCOLL_VERBS_LIBRARY=libibverbs.so.1
    export VCOLL_VERBS_LIBRARY
    for np in 2 4; do
        run $np "$dir/law_verify" 1
        grep -a -q '"channel": ".*verbs' "$scratch/stats" && show "$np ranks: verbs were used"
    done
    ;;
*)
    VC_TEST_PRELOAD='' VCOLL_WAIT=event timeout 60 "$mpirun" -n 2 "$dir/../unit/conformance_verbs" >"$scratch/out" 2>&1 </dev/null ||
        show "the conformance suite: exit code $?"
    export VC_TEST_PRELOAD_EXPECTED=1
    export VCOLL_CHANNELS=verbs
    VCOLL_WAIT=poll works 2 "$dir/differential" --seed 31 --seconds 0.7 --iterations 80
    VCOLL_WAIT=event works 4 "$dir/differential" --seed 32 --seconds 0.7 --iterations 80
    # Small buffers, few credits, zero copy early.
    VCOLL_WAIT=event VCOLL_VERBS_SLOT=1k VCOLL_VERBS_CREDITS=2 VCOLL_VERBS_ZCOPY_MIN=3000 \
        works 4 "$dir/differential" --seed 33 --seconds 0.7 --iterations 80
    # Every pair of many.
    VCOLL_WAIT=event works 16 "$dir/verbs_meet"
    VCOLL_CHANNELS=shm,verbs VCOLL_NODE_SPLIT=4 VCOLL_WAIT=event works 16 "$dir/verbs_meet"
    ;;
esac
echo ok
