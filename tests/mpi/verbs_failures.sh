#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_failures.sh MPIRUN DIRECTORY flat|nodes|ended: Law 6 over verbs. Whatever breaks of a device in the middle of collectives,
# they go on, through the MPI, with one line at most of each rank, which names the cause. When a rank ends, every other one gets an
# MPI error within 10 s, also those that it does not concern directly. Checked by verbs_fail, which knows the rest as well: no wrong
# result, no hang, MPI goes on.
mpirun=$1 prog=$2/verbs_fail kill=$2/law_kill kind=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1
# What the MPI and the loopback device leave behind when ranks die goes with the scratch directory.
export OMPI_MCA_btl_vader_backing_directory="$scratch" VC_LOOPBACK_FABRIC="$scratch/fabric"

show() {
    cat "$scratch/out"
    fail "$@"
}

# mends WORDS NP WAIT ARGS...: no rank gets an error, and some rank says why the MPI carries messages.
mends() {
    words=$1 np=$2 wait=$3
    shift 3
    VCOLL_WAIT=$wait timeout -k 5 60 "$mpirun" -n "$np" "$prog" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc = 0 ] && [ "$(grep -c '^rank [0-9]*: [0-9]* calls' "$scratch/out")" = "$np" ] ||
        show "$kind, VCOLL_WAIT=$wait, $*: exit code $rc"
    grep '^vcoll\[.*so the MPI carries its messages' "$scratch/out" | grep -q "$words" ||
        show "$kind, VCOLL_WAIT=$wait, $*: nobody says '$words'"
    [ "$(grep -c '^vcoll' "$scratch/out")" -le "$np" ] || show "$kind, VCOLL_WAIT=$wait, $*: more than one line a rank"
    tried=$((tried + 1))
    pause=$(sed -n 's/.*longest took \([0-9]*\) ms/\1/p' "$scratch/out" | sort -n | tail -n 1)
    [ "$pause" -le "$longest" ] || longest=$pause
}
tried=0 longest=0

# Whether ranks 0 to $1 - 1 have got an error, and have said that rank $1 died.
told() {
    r=0
    while [ $r -lt "$1" ]; do
        grep -q "^rank $r: error after" "$scratch/out" || return 1
        grep "^vcoll\[$r\]: " "$scratch/out" | grep -q "rank $1 .*\(cannot be reached\|died\)" || return 1
        r=$((r + 1))
    done
}

# Survivors of a rank that was killed, which stay alive themselves for as long as the last error may take. Once all have theirs
# there is nothing to wait for.
survive() {
    : >"$scratch/out"
    VCOLL_WAIT=$2 timeout -k 5 60 "$mpirun" --enable-recovery -n "$1" "$prog" stay $(($1 - 1)) kill "$3" >"$scratch/out" 2>&1 </dev/null &
    job=$!
    until told $(($1 - 1)) || ! kill -0 $job 2>/dev/null; do
        sleep 0.2
    done
    kill $job 2>/dev/null
    wait $job
    n=$(grep -c '^rank [0-9]*: error after' "$scratch/out")
    [ "$n" = $(($1 - 1)) ] || show "$kind, VCOLL_WAIT=$2: $n of $(($1 - 1)) survivors of a killed rank got an error"
    told "$n" || show "$kind, VCOLL_WAIT=$2: rank $r does not say that rank $n died"
}

nothing_left() {
    for left in /dev/shm/vcoll*; do
        [ ! -e "$left" ] || sleep 2 # another job's lives for a moment only
        [ ! -e "$left" ] || fail "$left left behind"
    done
}

case $kind in
flat)
    export VCOLL_CHANNELS=verbs
    mends 'loop0 \(failed or was \)*removed' 3 event asleep 1 removed@300 allreduce
    mends 'loop0 failed' 4 event asleep 1 devfatal@300
    mends 'loop0: .*retry.* exceeded' 3 event asleep 1 porterr@300
    mends 'loop0: .*retry.* exceeded' 4 auto asleep 1 cut@300
    mends 'loop0: remote access error' 4 event busy 1 wcerr=10@20
    mends 'loop0: .*catastrophic' 4 auto busy 2 qperr@20
    # Some providers return -EINVAL.
    mends 'loop0: ibv_post_send failed: Invalid argument' 3 event busy 0 fail=ibv_post_send:9:-22
    mends 'loop0: the shared receive queue failed' 3 event asleep 1 srqerr@300
    mends 'loop0: ibv_poll_cq failed' 2 poll busy 1 fail=ibv_poll_cq:100
    mends 'loop0: ibv_req_notify_cq failed' 3 event asleep 2 fail=ibv_req_notify_cq:1
    # So many that the set-up does not connect all pairs: it asks up to eight nodes for all, then those at 1, 2, 4, ...
    mends 'loop0' 11 event meet 1 removed@1
    mends 'ibv_create_qp failed' 11 event meet 2 fail=ibv_create_qp:all
    mends 'ibv_modify_qp.* failed\|could not be connected' 11 event meet 3 fail=ibv_modify_qp:2
    survive 3 event allreduce
    # Nonblocking ones, several under way, all of them vcoll's; moved by the thread, too.
    export VCOLL_ALG=alltoallv=pairwise
    mends 'loop0 \(failed or was \)*removed' 3 event asleep 1 removed@300 posted
    mends 'loop0: remote access error' 4 auto busy 1 wcerr=10@20 posted
    survive 3 auto posted
    export VCOLL_PROGRESS=thread
    mends 'loop0: .*retry.* exceeded' 3 event asleep 1 cut@300 posted
    survive 3 event posted
    unset VCOLL_PROGRESS VCOLL_ALG
    nothing_left
    ;;
nodes)
    # The victims are first ranks of their nodes, which carry the messages, and others.
    export VCOLL_CHANNELS=shm,verbs VCOLL_NODE_SPLIT=2
    mends 'loop0 \(failed or was \)*removed' 6 event asleep 2 removed@300
    mends 'loop0 failed' 4 auto asleep 0 devfatal@300
    mends 'loop0: .*retry.* exceeded' 4 event busy 2 cut@100
    mends 'loop0: remote access error' 6 event busy 3 wcerr=10@2
    mends 'loop0' 6 auto meet 1 removed@1
    survive 4 event bcast
    VCOLL_ALG=alltoallv=pairwise
    export VCOLL_ALG
    survive 4 event posted
    nothing_left
    ;;
ended)
    # Errors are fatal unless one asks otherwise: the job ends, nothing stays behind.
    for how in "verbs 3 event" "verbs 2 poll" "shm,verbs 4 event" "shm,verbs 4 auto"; do
        set -- $how
        begun=$(date +%s)
        VCOLL_CHANNELS=$1 VCOLL_NODE_SPLIT=2 VCOLL_WAIT=$3 timeout -k 5 40 "$mpirun" -n "$2" "$kill" 200 >"$scratch/out" 2>&1 </dev/null
        rc=$?
        took=$(($(date +%s) - begun))
        grep -q '^running' "$scratch/out" && [ $rc != 0 ] && [ $took -lt 25 ] ||
            show "$how: exit code $rc, $took s after a rank was killed"
    done
    nothing_left
    ;;
*) fail "usage: verbs_failures.sh MPIRUN DIRECTORY flat|nodes|ended" ;;
esac
[ $tried = 0 ] || echo "$tried faults, the longest call took $longest ms"
echo ok
