#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# ivshmem.sh MPIRUN DIFFERENTIAL NOISE LOOP equal|odd|hostile: ranks that pretend to be several machines share a file as machines
# share the memory of an ivshmem device.
#   equal    results are those of the MPI; nothing else carries messages; no lease stays
#   odd      what cannot be used is one line, and the ranks do without
#   hostile  another program writes into the memory: no crash and no hang
mpirun=$1 prog=$2 noise=$3 loop=$4 kind=$5
. "$(dirname "$0")/law_common.sh"
unset VCOLL_ALG VCOLL_WAIT VCOLL_CMA VCOLL_HOST_ID
export VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1 VCOLL_IVSHMEM="$scratch/bar" VCOLL_LOG=warn VCOLL_STATS=text
export VCOLL_STATS_FILE="$scratch/stats"

fresh() {
    rm -f "$VCOLL_IVSHMEM"
    truncate -s "${1:-8M}" "$VCOLL_IVSHMEM"
}

# number AT VALUE: an unsigned 64-bit number in the memory
number() {
    perl -e 'print pack("Q<", $ARGV[0])' "$2" | dd of="$VCOLL_IVSHMEM" bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# run NP ARGS...: what it prints is in $scratch/out, its end in $rc
run() {
    np=$1
    shift
    timeout 50 "$mpirun" -n "$np" "$prog" --seed 11 --seconds 1.5 --iterations 100 --max-bytes 131072 "$@" \
        >"$scratch/out" 2>&1 </dev/null
    rc=$?
}

# equal NP ARGS...
equal() {
    run "$@"
    [ $rc = 0 ] && grep -q ': equal' "$scratch/out" && return
    cat "$scratch/out"
    fail "$* (NODE_SPLIT=$VCOLL_NODE_SPLIT CHANNELS=$VCOLL_CHANNELS WAIT=$VCOLL_WAIT)"
}

# The lease table begins at 4096 and has 64 entries of 128 bytes, whose first word is the owner.
no_leases() {
    for i in $(seq 0 63); do
        od -An -tx8 -j $((4096 + 128 * i)) -N 8 "$VCOLL_IVSHMEM"
    done | grep -qv '^ 0000000000000000$' && fail "a lease was left"
}

case $kind in
equal)
    fresh
    for how in "4 2 shm,ivshmem auto" "5 1 ivshmem event" "6 4 shm,ivshmem,mpi hybrid"; do
        set -- $how
        export VCOLL_NODE_SPLIT=$2 VCOLL_CHANNELS=$3 VCOLL_WAIT=$4
        equal "$1"
        no_leases
        grep -v '^differential: seed' "$scratch/out" | grep . && fail "unexpected output above: $how"
        grep -q ivshmem "$VCOLL_STATS_FILE" || fail "no message went through the memory: $how"
        grep ' two_level' "$VCOLL_STATS_FILE" | grep 'mpi' && fail "messages above went another way: $how"
    done
    # Two hosts of two machines of two ranks each: what crosses the network is one message of each host.
    cat >"$scratch/host" <<'END'
#!/bin/sh
VCOLL_HOST_ID=host$((OMPI_COMM_WORLD_RANK / 4)) exec "$@"
END
    chmod +x "$scratch/host"
    VCOLL_ALG=barrier=three_level,bcast=three_level,reduce=three_level,allreduce=three_level VCOLL_NODE_SPLIT=2 VCOLL_WAIT=auto
    export VCOLL_ALG VCOLL_CHANNELS=shm,ivshmem,mpi
    timeout 50 "$mpirun" -n 8 "$scratch/host" "$prog" --seed 12 --seconds 3 --iterations 100 --max-bytes 65536 >"$scratch/out" 2>&1 </dev/null &&
        grep -q ': equal' "$scratch/out" || { cat "$scratch/out"; fail "three levels"; }
    for c in barrier bcast reduce allreduce; do
        grep "^$c  *[0-9k]* *three_level  *shm+ivshmem+mpi" "$VCOLL_STATS_FILE" >/dev/null || { cat "$VCOLL_STATS_FILE"; fail "$c on three levels"; }
    done
    no_leases
    unset VCOLL_ALG
    # Machines on different hosts do not share it, whatever they see.
    unset VCOLL_NODE_SPLIT
    cat >"$scratch/id" <<'END'
#!/bin/sh
VCOLL_HOST_ID=host$((OMPI_COMM_WORLD_RANK % 2)) exec "$@"
END
    chmod +x "$scratch/id"
    VCOLL_CHANNELS=shm,ivshmem,mpi timeout 50 "$mpirun" -n 4 "$scratch/id" "$prog" --seed 11 --seconds 1 >"$scratch/out" 2>&1 </dev/null ||
        fail "VCOLL_HOST_ID"
    grep -q ivshmem "$VCOLL_STATS_FILE" && fail "hosts that are told apart share memory"
    no_leases
    ;;
odd)
    export VCOLL_NODE_SPLIT=2 VCOLL_CHANNELS=shm,ivshmem,mpi
    # odd WORDS: one line, with these words
    odd() {
        equal 4
        n=$(grep -c '^vcoll' "$scratch/out")
        grep -q "^vcoll.*memory shared by the machines of a host is not used by that of rank 0: .*$1" "$scratch/out" &&
            [ "$n" = 1 ] && return
        cat "$scratch/out"
        fail "one line with '$1' was expected"
    }
    fresh 64k && odd "has a size of 65536 bytes"
    fresh 3M && odd "a power of two"
    fresh 1M && equal 4 && number 8 999 && odd "another version of vcoll"
    fresh 1M && equal 4 && truncate -s 2M "$VCOLL_IVSHMEM" && odd "give all the same size"
    fresh 1M && number 4000 1 && odd "holds something that is not vcoll"
    rm "$VCOLL_IVSHMEM" && odd "cannot be opened"
    mkdir "$VCOLL_IVSHMEM" && odd "cannot be opened" && rmdir "$VCOLL_IVSHMEM"
    # Nothing is there, and nobody asked: no line.
    VCOLL_IVSHMEM=off run 4
    [ $rc = 0 ] && ! grep '^vcoll' "$scratch/out" || fail "a line without a reason"
    # Leases of machines that were reset fill the table: nobody's heart beats, so they are taken away.
    fresh 1M && equal 4
    for i in $(seq 0 63); do
        number $((4096 + 128 * i)) $((i + 1))
        number $((4096 + 128 * i + 24)) 77 # of another boot
    done
    VCOLL_CHANNELS=shm,ivshmem
    equal 4
    grep -q ivshmem "$VCOLL_STATS_FILE" || fail "stale leases were not taken away"
    no_leases
    ;;
hostile)
    # No call runs natively: of those a rank that has failed tells nobody.
    export VCOLL_NODE_SPLIT=1 VCOLL_CHANNELS=shm,ivshmem,mpi
    export VCOLL_ALG=allreduce=recursive_doubling,bcast=binomial,reduce=binomial,alltoall=pairwise
    for seed in 1 2 3 4; do
        fresh 1M
        rm -f "$scratch/begun"
        "$noise" "$VCOLL_IVSHMEM" $seed "$scratch/begun" &
        pid=$!
        timeout 40 "$mpirun" -n 3 "$loop" "$scratch/begun" >"$scratch/out" 2>&1 </dev/null
        rc=$?
        kill $pid
        wait $pid 2>/dev/null
        if [ $rc != 0 ] || ! grep -q 'rank 0: error' "$scratch/out"; then
            cat "$scratch/out"
            fail "seed $seed: ended with $rc"
        fi
        cat "$scratch/out"
    done
    ;;
esac
echo ok
