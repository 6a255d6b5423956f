#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# table.sh MPIRUN DIRECTORY CASE: programs of DIRECTORY under tuning tables.
mpirun=$1 dir=$2 case=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats"
# Nobody's own tables.
export XDG_CONFIG_HOME="$scratch/config" VCOLL_TABLE=none
tables=0

show() {
    cat "$scratch/out"
    fail "$@"
}

# table RULES [REST]: writes a table and makes it the one in use.
table() {
    tables=$((tables + 1))
    VCOLL_TABLE=$scratch/table.$tables.json
    printf '{"vcoll_table": 1, "rules": [%s%s{"algorithm": "builtin"}]%s}\n' "$1" "${1:+, }" "${2:+, $2}" >"$VCOLL_TABLE"
}

# run RANKS PROGRAM...: sets rc; the output is in $scratch/out.
run() {
    np=$1 program=$2
    shift 2
    rm -f "$scratch/stats"
    timeout -k 5 60 "$mpirun" -n "$np" "$dir/$program" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
}

# A healthy run: vcoll is silent.
good() {
    run "$@"
    [ $rc = 0 ] || show "exit code $rc of: $*"
    grep '^vcoll' "$scratch/out" && show "not silent: $*"
    [ "$VCOLL_TABLE" = none ] || grep -q "^table in use: $VCOLL_TABLE" "$scratch/out" || [ "$2" != table ] ||
        show "the table is not in use"
}

# Sleeps of all ranks.
sleeps() {
    sed -n 's/.*"sleeps": *\([0-9]*\).*/\1/p' "$scratch/stats"
}

# entries ALGORITHM FROM CHANNEL: calls that the statistics have of these.
entries() {
    tr -d '\n' <"$scratch/stats" | sed 's/{ *"bytes_from"/\n&/g' | sed -n 's/ *, */, /g
        /"bytes_from": '"$2"', "algorithm": "'"$1"'", "channel": "'"$3"'"/s/.*"calls": \([0-9]*\).*/\1/p' | head -1
}
ran() {
    n=$(entries "$@")
    [ "${n:-0}" -gt 0 ] || { cat "$scratch/stats"; fail "no calls of $2 bytes with $1 over $3"; }
}

case $case in
obeyed)
    table '{"collective": "allreduce", "operator": "other", "bytes": [0, "4k"], "algorithm": "native"},
        {"collective": "allreduce", "bytes": [0, "1k"], "algorithm": "recursive_doubling"},
        {"collective": "allreduce", "bytes": ["1025", "64k"], "ranks": [4, null], "algorithm": "native"},
        {"collective": "allreduce", "bytes": ["1025", "64k"], "ranks": [2, 3], "nodes": 1, "algorithm": "ring"},
        {"collective": ["barrier", "bcast"], "device": "rxe", "algorithm": "native"},
        {"collective": "bcast", "network": "verbs", "algorithm": "native"},
        {"collective": "barrier", "algorithm": "dissemination"}'
    set -- allreduce 8 recursive_doubling allreduce 1024 recursive_doubling allreduce 1025 ring allreduce 65536 ring \
        barrier 0 dissemination bcast 8 shm allreduce 65537 shm
    good 3 table algorithms "$@"
    good 3 table calls 8 1024 40000 100000
    ran recursive_doubling 8 shm
    ran ring 32768 shm
    ran shm 65536 shm
    good 3 table ordered 512
    ran native 512 native
    grep -q '"name": "'"$VCOLL_TABLE"'"' "$scratch/stats" || fail "the statistics do not name the table"
    sum=$(sed -n 's/^table in use: [^ ]* //p' "$scratch/out")
    grep -q '"checksum": "fnv1a64:'"$sum"'"' "$scratch/stats" || fail "the statistics have not the checksum $sum"
    good 5 table algorithms allreduce 8 recursive_doubling allreduce 2000 native
    # What is forced comes before the table.
    VCOLL_ALG=allreduce=shm good 3 table algorithms allreduce 8 shm allreduce 2000 shm
    # What cannot run is passed over.
    table '{"collective": "allreduce", "algorithm": "recursive_doubling", "channel": "verbs"},
        {"collective": "allreduce", "algorithm": "ring"}'
    good 2 table algorithms allreduce 8 ring
    ;;
nodes)
    table '{"collective": "allreduce", "nodes": [2, null], "ppn": 2, "algorithm": "two_level_multi", "leaders": 2},
        {"collective": "allreduce", "nodes": 1, "algorithm": "native"}'
    export VCOLL_NODE_SPLIT=2
    good 4 table algorithms allreduce 8 two_level_multi allreduce 100000 two_level_multi barrier 0 two_level
    good 4 table calls 8 4096
    VCOLL_NODE_SPLIT=0 good 4 table algorithms allreduce 8 native
    ;;
waits)
    table '{"collective": "allreduce", "bytes": [0, 64], "algorithm": "shm", "wait": "poll"},
        {"collective": "allreduce", "bytes": [65, 1024], "algorithm": "shm", "wait": "event"},
        {"collective": "allreduce", "bytes": [1025, 8192], "algorithm": "ring", "wait": "poll"},
        {"collective": "allreduce", "bytes": [8193, 65536], "algorithm": "ring", "wait": "event"},
        {"collective": "allreduce", "bytes": [65537, null], "algorithm": "shm", "wait": "hybrid", "spin_us": 900000}'
    good 2 table calls 8 4096 100000
    [ "$(sleeps)" = 0 ] || fail "slept $(sleeps) times in spite of poll"
    for size in 512 16384 "8 512"; do
        good 2 table calls $size
        [ "$(sleeps)" -gt 0 ] || fail "nobody slept in spite of event, $size bytes"
    done
    # The user's own word wins over the table's, but not over his own of an algorithm.
    VCOLL_WAIT=poll good 2 table calls 512 16384
    [ "$(sleeps)" = 0 ] || fail "slept $(sleeps) times in spite of VCOLL_WAIT=poll"
    VCOLL_WAIT=event good 2 table calls 8 4096
    [ "$(sleeps)" -gt 0 ] || fail "nobody slept in spite of VCOLL_WAIT=event"
    VCOLL_WAIT=poll VCOLL_ALG=allreduce=shm:wait=event good 2 table calls 512
    [ "$(sleeps)" -gt 0 ] || fail "nobody slept in spite of VCOLL_ALG's wait=event"
    VCOLL_WAIT=poll good 2 table forced ring:wait=event 4096
    [ "$(sleeps)" -gt 0 ] || fail "nobody slept in spite of the forced wait=event"
    VCOLL_WAIT=event good 2 table forced shm:wait=poll 16384
    ;;
progress)
    # Transfers of the underlying MPI go on while a collective waits, whatever the policy.
    table '{"collective": "barrier", "algorithm": "shm", "wait": "event"},
        {"collective": "bcast", "algorithm": "binomial", "wait": "event"},
        {"collective": "reduce", "algorithm": "shm", "wait": "poll"},
        {"collective": "allreduce", "algorithm": "recursive_doubling", "wait": "poll"},
        {"collective": "allgather", "algorithm": "ring", "wait": "hybrid", "spin_us": 10},
        {"collective": "alltoall", "algorithm": "shm", "wait": "auto"}'
    export VC_TEST_PRELOAD="$VC_TABLE_LIB"
    good 2 law_progress
    ran recursive_doubling 8 shm
    VCOLL_NODE_SPLIT=1 good 4 law_progress
    ran ring 8 mpi
    ;;
broken)
    builtin='allreduce 8 shm barrier 0 shm'
    while IFS='|' read -r says text; do
        VCOLL_TABLE=$scratch/broken.json
        printf '%s\n' "$text" >"$VCOLL_TABLE"
        run 3 table algorithms $builtin
        [ $rc = 0 ] || show "exit code $rc with: $text"
        [ "$(grep -c '^vcoll' "$scratch/out")" = 1 ] || show "not one message about: $text"
        grep -q "^vcoll\[0\]: .*$VCOLL_TABLE$says" "$scratch/out" || show "the message does not say $says"
        grep -q '^table in use: built-in' "$scratch/out" || show "not the built-in rules: $text"
    done <<'END'
:1:.*"ringg".*"ring"|{"vcoll_table": 1, "rules": [{"collective": "allreduce", "algorithm": "ringg"}, {"algorithm": "native"}]}
:1:|{"vcoll_table": 1, "rules": [{"collective": "allreduce", "algorithm": "ring"}]}
:2:|{"vcoll_table": 1, "rules": [{"collective": "allreduce",
:1:.*checksum|{"vcoll_table": 1, "checksum": "fnv1a64:0123456789abcdef", "rules": [{"algorithm": "native"}]}
:1:|{"vcoll_table": 1, "rules": [{"collective": "allreduce", "bytes": [9, 3], "algorithm": "ring"}, {"algorithm": "native"}]}
END
    for VCOLL_TABLE in "$scratch/not.there" "$scratch"; do
        run 3 table algorithms $builtin
        [ $rc = 0 ] && [ "$(grep -c '^vcoll' "$scratch/out")" = 1 ] || show "table $VCOLL_TABLE"
    done
    ;;
strict)
    export VCOLL_STRICT=1
    table '{"collective": "allreduce", "algorithm": "ringg"}'
    for VCOLL_TABLE in "$VCOLL_TABLE" "$scratch/not.there"; do
        run 2 table algorithms allreduce 8 shm
        [ $rc != 0 ] || show "a bad table is no error: $VCOLL_TABLE"
        grep -q "^vcoll.*$VCOLL_TABLE" "$scratch/out" || show "the error does not name $VCOLL_TABLE"
    done
    table '{"collective": "allreduce", "algorithm": "ring"}'
    good 2 table algorithms allreduce 8 ring
    ;;
ranks)
    # The table of rank 0 counts, whatever the others say.
    table '{"collective": "allreduce", "algorithm": "ring"}'
    export GOOD="$VCOLL_TABLE" BAD="$scratch/not.there" PROGRAM="$dir/table"
    split() {
        timeout -k 5 60 "$mpirun" -n 3 sh -c "$1"' exec "$PROGRAM" '"$2" >"$scratch/out" 2>&1
        rc=$?
    }
    other='[ "$OMPI_COMM_WORLD_RANK" = 0 ] && export VCOLL_TABLE=$GOOD || export VCOLL_TABLE=$BAD;'
    split "$other" "algorithms allreduce 8 ring"
    [ $rc = 0 ] && ! grep '^vcoll' "$scratch/out" || show "rank 0 has the table"
    other='[ "$OMPI_COMM_WORLD_RANK" != 0 ] && export VCOLL_TABLE=$GOOD || export VCOLL_TABLE=none;'
    split "$other" "algorithms allreduce 8 shm"
    [ $rc = 0 ] && ! grep '^vcoll' "$scratch/out" || show "rank 0 has no table"
    other='[ "$OMPI_COMM_WORLD_RANK" != 0 ] && export VCOLL_TABLE=$GOOD || export VCOLL_TABLE=$BAD;'
    split "$other" "algorithms allreduce 8 shm"
    [ $rc = 0 ] && [ "$(grep -c '^vcoll\[0\]' "$scratch/out")" = 1 ] || show "rank 0 has a bad table"
    # Ranks that do not take part at all: nobody waits for them.
    for disabled in 0 1; do
        export VCOLL_TABLE="$GOOD"
        split '[ "$OMPI_COMM_WORLD_RANK" = '$disabled' ] && export VCOLL_DISABLE=1;' "calls 8 4096"
        [ $rc = 0 ] || show "exit code $rc with rank $disabled disabled"
        grep -q "^vcoll.*VCOLL_TABLE is not used" "$scratch/out" || [ $disabled = 0 ] || show "nothing about the table"
    done
    ;;
force)
    good 3 table force
    table '{"collective": "allreduce", "algorithm": "rabenseifner"}'
    good 2 table force
    VCOLL_ALG=allreduce=shm good 3 table force
    VCOLL_REPRODUCIBLE=0 VCOLL_WAIT=event good 3 table force
    ;;
found)
    # The user's configuration folder, without VCOLL_TABLE; and none.
    table '{"collective": "allreduce", "algorithm": "ring"}'
    mkdir -p "$XDG_CONFIG_HOME/vcoll"
    cp "$VCOLL_TABLE" "$XDG_CONFIG_HOME/vcoll/table.json"
    VCOLL_TABLE=none good 2 table algorithms allreduce 8 shm
    unset VCOLL_TABLE
    run 2 table algorithms allreduce 8 ring
    [ $rc = 0 ] && grep -q "^table in use: $XDG_CONFIG_HOME/vcoll/table.json" "$scratch/out" || show "not found"
    ;;
channels)
    table '{"collective": "allreduce", "bytes": [0, 64], "algorithm": "recursive_doubling", "channel": "mpi"},
        {"collective": "allreduce", "bytes": [65, 1024], "algorithm": "recursive_doubling", "channel": "verbs"},
        {"collective": "allreduce", "bytes": [0, 8192], "algorithm": "recursive_doubling"}'
    export VCOLL_CHANNELS=verbs,mpi
    good 2 table calls 8 512 4096
    ran recursive_doubling 8 mpi
    ran recursive_doubling 512 verbs
    ran recursive_doubling 4096 verbs
    VCOLL_CHANNELS=shm,verbs,mpi VCOLL_NODE_SPLIT=2 good 4 table calls 8 512 4096
    ran recursive_doubling 8 shm+mpi
    ran recursive_doubling 512 shm+verbs
    # Where a channel is not allowed, the rows that ask for it are passed over.
    VCOLL_CHANNELS=verbs good 2 table calls 8 512
    ran recursive_doubling 8 verbs
    VCOLL_CHANNELS=mpi good 2 table calls 8 512
    [ -z "$(entries recursive_doubling 512 verbs)" ] || fail "verbs without VCOLL_CHANNELS"
    # All on one node: no message leaves it.
    VCOLL_CHANNELS=shm,verbs,mpi good 2 table calls 8 512
    ran recursive_doubling 8 shm
    ;;
forced_channels)
    export VCOLL_CHANNELS=verbs,mpi
    good 2 table forced recursive_doubling:channel=mpi 8 4096
    ran recursive_doubling 4096 mpi
    good 2 table forced recursive_doubling:channel=verbs:wait=event 8 4096
    ran recursive_doubling 4096 verbs
    [ -z "$(entries recursive_doubling 4096 mpi)" ] || fail "over the MPI in spite of channel=verbs"
    ;;
mixed)
    # Results stay right when calls go over one channel and the other in turns.
    table '{"bytes": [0, 300], "algorithm": "native", "collective": ["barrier"]},
        {"collective": "allreduce", "bytes": [0, 300], "algorithm": "recursive_doubling", "channel": "mpi"},
        {"collective": "allreduce", "bytes": [301, null], "algorithm": "recursive_doubling", "channel": "verbs"},
        {"collective": "bcast", "bytes": [0, 3000], "algorithm": "binomial", "channel": "verbs", "wait": "event"},
        {"collective": "bcast", "algorithm": "binomial", "channel": "mpi", "wait": "poll"},
        {"collective": "allgather", "bytes": [0, 500], "algorithm": "ring", "channel": "mpi"},
        {"collective": "allgather", "algorithm": "ring", "channel": "verbs"},
        {"collective": "alltoall", "bytes": [0, 200], "algorithm": "pairwise", "channel": "verbs"},
        {"collective": "alltoall", "algorithm": "pairwise", "channel": "mpi"}'
    export VC_TEST_PRELOAD="$VC_TABLE_LIB" VC_TEST_PRELOAD_EXPECTED=1
    VCOLL_CHANNELS=verbs,mpi good 3 differential --seed 4 --seconds 2 --iterations 200
    VCOLL_CHANNELS=shm,verbs,mpi VCOLL_NODE_SPLIT=2 good 4 differential --seed 5 --seconds 2 --iterations 200
    ;;
devices)
    export VCOLL_CHANNELS=verbs
    table '' '"devices": [{"device": "loop", "ranks": 2, "cq_moderation": {"latency": [4, 50], "bulk": [8, 100]}}]'
    good 2 table calls 8 4096
    VC_LOOPBACK=cqmod=0 good 2 table calls 8 4096
    # Out of the device's range, and therefore seen to be tried.
    far='"cq_moderation": {"latency": [4, 9999], "bulk": [8, 100]}'
    table '' '"devices": [{"device": "other", '"$far"'}, {"device": "loop", "nodes": 2, "ppn": 1, '"$far"'}]'
    run 2 table calls 8
    [ $rc = 0 ] && [ "$(grep -c '^vcoll\[0\].*9999.*out of range' "$scratch/out")" = 1 ] || show "the device's row is not taken"
    VC_LOOPBACK=cqmod=0 good 2 table calls 8
    good 3 table calls 8
    for own in off 4:50; do
        VCOLL_CQ_MODERATION=$own good 2 table calls 8
    done
    # No interface behind this device: a suggestion is no news, an order is.
    table '' '"devices": [{"coalescing": {"rx-usecs": 0, "adaptive-rx": false}}]'
    good 2 table calls 8
    VCOLL_COALESCING=ignore good 2 table calls 8
    VCOLL_COALESCING=apply run 2 table calls 8
    [ $rc = 0 ] && [ "$(grep -c '^vcoll' "$scratch/out")" = 1 ] || show "one warning, and no error, when nothing can be applied"
    VCOLL_TABLE=none good 2 table moderation latency=4:50,bulk=8:100 ok
    VCOLL_TABLE=none good 2 table moderation off ok
    VCOLL_TABLE=none good 2 table moderation 4:9999 'out of range'
    VCOLL_TABLE=none good 2 table moderation sometimes valid
    VCOLL_TABLE=none VC_LOOPBACK=cqmod=0 good 2 table moderation 4:50 'no moderation'
    ;;
key)
    VCOLL_CHANNELS=verbs,mpi good 2 table key verbs loop
    VCOLL_CHANNELS=shm,mpi good 2 table key mpi ''
    VCOLL_CHANNELS=shm,verbs,mpi VCOLL_NODE_SPLIT=2 good 4 table key verbs loop
    table '{"device": "loop", "network": "verbs", "collective": "allreduce", "algorithm": "ring"},
        {"device": "rxe", "collective": "barrier", "algorithm": "native"}'
    VCOLL_CHANNELS=verbs good 2 table algorithms allreduce 8 ring barrier 0 dissemination
    ;;
*)
    fail "no case $case"
    ;;
esac
exit 0
