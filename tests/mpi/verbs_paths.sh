#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_paths.sh MPIRUN DIRECTORY cards|lost|nodes|many|islands: devices that look healthy, and whose messages do not arrive, or that
# cannot do what most do. Either verbs work, or the ranks agree to do without, or some of them, with right results and one line that names
# the cause.
mpirun=$1 dir=$2 verify=$2/law_verify meet=$2/verbs_meet kind=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats" VCOLL_WAIT=event

show() {
    cat "$scratch/out"
    fail "$@"
}

# run RANKS SETTINGS...
run() {
    rm -f "$scratch/stats"
    np=$1
    shift
    timeout -k 5 90 env "$@" "$mpirun" -n "$np" $prog >"$scratch/out" 2>&1 </dev/null
    rc=$?
    lines=$(grep -a -c '^vcoll' "$scratch/out")
}
prog="$verify 1"

# falls_back RANKS WORDS SETTINGS...: one line with these words; results are right, nothing goes over verbs.
falls_back() {
    ranks=$1 words=$2
    shift 2
    run "$ranks" "$@"
    [ $rc = 0 ] || show "$*: exit code $rc"
    grep -a -q '"channel": ".*verbs' "$scratch/stats" && show "$*: verbs were used"
    [ "$lines" = 1 ] || show "$*: $lines lines of vcoll, wanted 1"
    grep -a '^vcoll\[0\]' "$scratch/out" | grep -a -q "$words" || show "$*: not '$words'"
}

# works RANKS SETTINGS...: everything goes over verbs, silently.
works() {
    run "$@"
    [ $rc = 0 ] && [ "$lines" = 0 ] || show "$*: exit code $rc, $lines lines of vcoll"
    grep -a -q '"channel": ".*verbs' "$scratch/stats" || show "$*: verbs were not used"
}

# shares RANKS WORDS SETTINGS...: one line with these words; results are right; one call's messages go both ways.
shares() {
    ranks=$1 words=$2
    shift 2
    run "$ranks" "$@"
    [ $rc = 0 ] || show "$*: exit code $rc"
    grep -a -q '"channel": ".*verbs.*mpi\|"channel": ".*mpi.*verbs' "$scratch/stats" || show "$*: not both: $(grep -a '"channel"' "$scratch/stats" | sort -u)"
    [ "$lines" = 1 ] || show "$*: $lines lines of vcoll, wanted 1"
    grep -a '^vcoll\[0\]' "$scratch/out" | grep -a -q "$words" || show "$*: not '$words'"
}

case $kind in
cards)
    # What the ports say of themselves is enough.
    export VCOLL_NODE_SPLIT=1
    falls_back 2 'different partitions, P_Keys 0x8001 and 0xffff.*VCOLL_VERBS_PKEY' 'VC_LOOPBACK=link=ib;rank=1,pkeys=7fff:8001'
    falls_back 2 'different families, fe80::.* and ::ffff:10.77.0.1.*VCOLL_VERBS_GID_INDEX' 'VC_LOOPBACK=rank=1,gids=linklocal'
    falls_back 2 'different kinds, RoCE v1 and RoCE v2' 'VC_LOOPBACK=rank=1,gids=v1'
    falls_back 2 'different InfiniBand subnets (GID prefixes fe80000000000007 and fe80000000000000)' 'VC_LOOPBACK=link=ib;rank=1,subnet=7'
    # The two agree on what is not asked: all ranks in another partition, or with link-local addresses, do.
    works 3 VC_LOOPBACK=link=ib,pkeys=7fff:8001,subnet=7
    works 3 VC_LOOPBACK=gids=linklocal
    # What old kernels need at a fork.
    falls_back 2 'rank 1: loop0: fork() would take memory.*older than 5.12.*RDMAV_FORK_SAFE=1' 'VC_LOOPBACK=rank=1,fork=disabled'
    works 3 VC_LOOPBACK=fork=enabled
    # Devices of other transports are as good as none: a word only for those who ask for them by name.
    falls_back 3 'loop0 is neither InfiniBand nor RoCE (iWARP)' VC_LOOPBACK=transport=iwarp VCOLL_VERBS_DEVICE=loop0
    mkdir "$scratch/lib" && ln -s "$VCOLL_VERBS_LIBRARY" "$scratch/lib/libibverbs.so.1"
    # An MPI that is linked with libibverbs itself does not start with that.
    if VC_TEST_PRELOAD='' LD_LIBRARY_PATH="$scratch/lib:$LD_LIBRARY_PATH" "$mpirun" -n 1 $prog >/dev/null 2>&1; then
        run 3 VC_LOOPBACK=transport=efa VCOLL_VERBS_LIBRARY=libibverbs.so.1 LD_LIBRARY_PATH="$scratch/lib:$LD_LIBRARY_PATH"
        [ $rc = 0 ] && [ "$lines" = 0 ] || show "EFA, and nothing was asked for: exit code $rc, $lines lines"
    else
        echo "this MPI needs the real libibverbs: EFA that nobody asked for was not tried"
    fi
    ;;
lost)
    # Everything looks well, and nothing arrives. Each pair of nodes is asked.
    export VCOLL_NODE_SPLIT=1
    prog=$meet
    falls_back 2 'no message gets from process . to process . (loop0, RoCE v2, ::ffff:10.77.0.1 to .*not acknowledged within 2 s.*UDP port 4791' VC_LOOPBACK=lost=0-1
    falls_back 2 'from process . to process . (loop0, LID 17 to 17, P_Key 0xffff.*different fabrics' VC_LOOPBACK=link=ib,lost=0-1
    falls_back 2 'no message gets from .* retry counter exceeded.*UDP port 4791' VC_LOOPBACK=lost=0-1 VCOLL_VERBS_TIMEOUT=1
    # One line where nothing but verbs was allowed, too.
    falls_back 3 'are left to the MPI.s collectives: no message gets' VC_LOOPBACK=lost=0-2 VCOLL_CHANNELS=verbs
    # A communicator whose nodes reach each other keeps verbs, whatever others do.
    prog="$verify 1"
    run 4 VC_LOOPBACK=lost=1-3
    [ $rc = 0 ] && [ "$lines" = 1 ] && grep -a -q '"channel": ".*verbs' "$scratch/stats" || show "subsets: exit code $rc, $lines lines"
    ;;
nodes)
    # Ranks that no message between nodes goes through may be anywhere.
    export VCOLL_NODE_SPLIT=2
    prog=$meet
    works 4 VC_LOOPBACK=lost=0-1
    falls_back 4 'no message gets' VC_LOOPBACK=lost=0-2
    # Neither a queue pair nor a first message: the set-up falls back, too.
    falls_back 4 'ibv_create_qp failed' VC_LOOPBACK=rank=2,fail=ibv_create_qp:all
    falls_back 4 'ibv_post_send failed: Invalid argument' VC_LOOPBACK=rank=2,fail=ibv_post_send:1:-22
    ;;
many)
    # All pairs of 17 ranks meet, with receive buffers of their own; and on a device whose completion queue has room for two each.
    export VCOLL_CHANNELS=verbs VC_TEST_PRELOAD_EXPECTED=1
    prog=$meet
    works 17 VC_LOOPBACK=max_srq=0
    works 17 VC_LOOPBACK=max_srq=0,max_cqe=40,max_inline=0
    # Inline that is asked for and not granted.
    unset VC_TEST_PRELOAD_EXPECTED
    prog="$verify 1"
    works 3 VC_LOOPBACK=grant_inline=0
    works 3 VC_LOOPBACK=grant_inline=24,max_srq=0
    # Inline that is granted and then ignored, by a library of which that is not known. Rank 0 finds it out by itself,
    # or hears of it from its peer first.
    export VCOLL_NODE_SPLIT=1
    unset VCOLL_CHANNELS
    falls_back 3 'loop0: local protection error.*VCOLL_VERBS_INLINE=0' VC_LOOPBACK=ignore_inline=1
    works 3 VC_LOOPBACK=ignore_inline=1 VCOLL_VERBS_INLINE=0
    ;;
islands)
    # Those who reach each other use verbs, and the MPI carries the rest, within one collective.
    export VCOLL_NODE_SPLIT=1 VCOLL_ALG=alltoall=pairwise,bcast=binomial
    prog=$meet
    two='VC_LOOPBACK=link=ib;rank=2,pkeys=7fff:8001;rank=3,pkeys=7fff:8001'
    shares 4 'a part of the messages.*processes 2 and 0 are in different partitions' "$two"
    shares 4 'a part of the messages.*rank 1: there is no RDMA device here' VC_LOOPBACK=rank=1,devices=0
    shares 4 'a part of the messages.*rank 2: loop0: .* could not be registered' VC_LOOPBACK=rank=2,fail=ibv_reg_mr
    shares 4 'a part of a communicator.s messages.*no message gets from process 1 to process 3' VC_LOOPBACK=lost=1-3
    shares 4 'a part of a communicator.s messages.*no message gets' VC_LOOPBACK=lost=0-2:0-3:1-2:1-3
    # Nodes of two ranks, of which one has no device.
    shares 6 'rank 3: there is no RDMA device' VC_LOOPBACK=rank=3,devices=0 VCOLL_NODE_SPLIT=2
    # Two devices a node, each with a network of its own.
    shares 4 'no message gets' VC_LOOPBACK=devices=2,lost=0-2:1-3 VCOLL_NODE_SPLIT=2
    # So many that not all pairs are tried: where one was lost, others may be.
    falls_back 10 'go through the MPI: no message gets' VC_LOOPBACK=lost=3-4
    # By the choice of the rules, and in subsets that are whole.
    unset VCOLL_ALG
    prog="$meet halves"
    run 4 "$two"
    [ $rc = 0 ] && [ "$lines" = 1 ] && grep -a -q '"channel": "verbs"' "$scratch/stats" || show "subsets: exit code $rc, $lines lines"
    prog="$dir/differential --seed 77 --seconds 1 --iterations 100"
    run 4 "$two"
    [ $rc = 0 ] && [ "$lines" = 1 ] || show "differential: exit code $rc, $lines lines"
    run 6 VC_LOOPBACK=rank=3,devices=0 VCOLL_NODE_SPLIT=2 VCOLL_PROGRESS=thread
    [ $rc = 0 ] || show "differential, nodes: exit code $rc"
    # A device that goes away in one island.
    prog="$dir/verbs_fail asleep 1 removed@300 allreduce"
    run 4 "$two" VCOLL_ALG=allreduce=recursive_doubling,alltoall=pairwise
    [ $rc = 0 ] && [ "$(grep -a -c '^rank [0-9]*: .* calls' "$scratch/out")" = 4 ] || show "device removed: exit code $rc"
    # Nothing but verbs.
    prog=$meet
    run 4 "$two" VCOLL_CHANNELS=verbs
    [ $rc != 0 ] && [ $rc != 124 ] && grep -a -q '^vcoll.*nothing but verbs.*different partitions' "$scratch/out" || show "verbs alone: exit code $rc"
    ;;
*) fail "usage: verbs_paths.sh MPIRUN DIRECTORY cards|lost|nodes|many|islands" ;;
esac
echo ok
