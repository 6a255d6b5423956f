#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_input.sh MPIRUN DIRECTORY: a verbs device that is missing, unusable or asked for by a wrong name. The ranks agree to do
# without, with one line that says what was found and what would do; or, where VCOLL_CHANNELS leaves nothing else, the first
# collective ends the job with that line.
mpirun=$1 verify=$2/law_verify
. "$(dirname "$0")/law_common.sh"
# Every rank a node of its own, so that verbs have something to do.
export VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=1 VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats"

show() {
    cat "$scratch/out"
    fail "$@"
}

run() {
    rm -f "$scratch/stats"
    timeout -k 5 60 env "$@" "$mpirun" -n 2 "$verify" 1 >"$scratch/out" 2>&1 </dev/null
    rc=$?
    lines=$(grep -c '^vcoll' "$scratch/out")
}

# falls_back LINES WORDS SETTINGS...: results are right, nothing goes over verbs, and that many lines have been printed
# (0 or 1), with these words (a pattern).
falls_back() {
    want=$1 words=$2
    shift 2
    run "$@"
    [ $rc = 0 ] && grep -q '^ok active' "$scratch/out" || show "$*: exit code $rc"
    grep -q '"channel": ".*verbs' "$scratch/stats" && show "$*: verbs were used"
    [ "$lines" = "$want" ] || show "$*: $lines lines of vcoll, wanted $want"
    [ "$want" = 0 ] || grep '^vcoll\[0\]' "$scratch/out" | grep -q "$words" || show "$*: not '$words'"
}

# ends WORDS SETTINGS...: the job ends at its first collective.
ends() {
    words=$1
    shift
    run "$@"
    [ $rc != 0 ] && [ $rc != 124 ] && ! grep -q '^ok' "$scratch/out" || show "$*: exit code $rc"
    [ "$lines" -ge 1 ] && [ "$lines" -le 3 ] || show "$*: $lines lines of vcoll"
    grep '^vcoll' "$scratch/out" | grep -q "$words" || show "$*: not '$words'"
}

# wrong WORDS SETTINGS...: with the MPI to fall back on; and, for every third (a job that is ended takes long to end), without.
wrong() {
    words=$1
    shift
    falls_back 1 "$words" "$@"
    turn=$((turn + 1))
    case $((turn % 6)) in
    1) ends "$words" "$@" VCOLL_CHANNELS=verbs ;;
    4) ends "$words" "$@" VCOLL_CHANNELS=shm,verbs ;;
    esac
}
turn=0

# It works, when nothing is wrong.
run
[ $rc = 0 ] && [ "$lines" = 0 ] && grep -q '"channel": ".*verbs' "$scratch/stats" || show "a healthy device is not used"

# Locked memory, on one rank: how much, and how to raise it.
wrong 'rank 1: loop0: [1-9][0-9]* KiB of memory could not be registered.*raise it.*ulimit -l' VC_LOOPBACK=rank=1,memlock=65536
wrong 'rank 1: .*could not be registered' VC_LOOPBACK=rank=1,fail=ibv_reg_mr

# Devices that cannot be used, on one rank or on all.
wrong 'rank 1: loop0 port 1 .* has no GID' VC_LOOPBACK=rank=1,gids=none
wrong 'rank 1: there is no RDMA device' VC_LOOPBACK=rank=1,devices=0
wrong 'rank 0: loop0 port 1 is DOWN' VC_LOOPBACK=port=down
wrong 'has no P_Key of full membership.*0x7fff' VC_LOOPBACK=link=ib,pkeys=7fff
wrong 'on InfiniBand and .* on Ethernet' VC_LOOPBACK=rank=1,link=ib
falls_back 1 'rank 1: loop0: ibv_create_cq failed' VC_LOOPBACK=rank=1,fail=ibv_create_cq
falls_back 1 'rank 1: loop0: ibv_alloc_pd failed' VC_LOOPBACK=rank=1,fail=ibv_alloc_pd

# Wrong settings: what was found, and what would be valid.
wrong 'VCOLL_VERBS_DEVICE=mlx5_7: no such RDMA device; found: loop0, loop1' VCOLL_VERBS_DEVICE=mlx5_7 VC_LOOPBACK=devices=2
wrong 'VCOLL_VERBS_PORT=3: loop0 has 1 port' VCOLL_VERBS_PORT=3
wrong 'VCOLL_VERBS_GID_INDEX=9: .*3 (::ffff:10.77.0.1)' VCOLL_VERBS_GID_INDEX=9
wrong 'VCOLL_VERBS_PKEY=0x8123: .*0xffff' VCOLL_VERBS_PKEY=0x8123 VC_LOOPBACK=link=ib
wrong 'VCOLL_CQ_MODERATION.*out of range.*at most 65535 completions and 4095 us' VCOLL_CQ_MODERATION=10:9999
wrong '/nonexistent.*VCOLL_VERBS_LIBRARY' VCOLL_VERBS_LIBRARY=/nonexistent
wrong 'VCOLL_VERBS_LIBRARY\|no verbs library' VCOLL_VERBS_LIBRARY=libm.so.6
ends 'VCOLL_VERBS_CREDITS' VCOLL_VERBS_CREDITS=1
ends 'VCOLL_CQ_MODERATION' VCOLL_CQ_MODERATION=sometimes

# Moderation that the device has not is a normal state.
run VCOLL_CQ_MODERATION=4:50 VC_LOOPBACK=cqmod=0
[ $rc = 0 ] && [ "$lines" = 0 ] && grep -q '"channel": ".*verbs' "$scratch/stats" || show "VCOLL_CQ_MODERATION without moderation"

# No device, and nothing was asked for: not a word. Here the device of this machine, if any, is meant.
if ! ls /sys/class/infiniband/* >/dev/null 2>&1; then
    falls_back 0 '' VCOLL_VERBS_LIBRARY=libibverbs.so.1
    ends 'nothing but verbs' VCOLL_VERBS_LIBRARY=libibverbs.so.1 VCOLL_CHANNELS=verbs
fi
# Nobody to reach with it: not even opened.
VCOLL_NODE_SPLIT=0
falls_back 0 '' VCOLL_VERBS_LIBRARY=/nonexistent
run VCOLL_CHANNELS=shm,verbs VCOLL_VERBS_DEVICE=mlx5_7
[ $rc = 0 ] && [ "$lines" = 0 ] || show "one node needs no verbs"
echo ok
