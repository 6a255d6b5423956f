#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# differential_sweep.sh MPIRUN DIFFERENTIAL ALGORITHMS COLLECTIVE [SEED]
#
# Runs the differential driver with every algorithm of one collective forced in turn, twice: once as a user would, and
# once with waiting, channels, copying and parameters varied. COLLECTIVE "auto": nothing forced, on 1..9 ranks.
# VC_TEST_PRELOAD names the library. Demands that each algorithm that was forced did run.
mpirun=$1 prog=$2 algs=$3 coll=$4 seed=${5:-1}
here=$(dirname "$0")
. "$here/law_common.sh"
export VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1
export VCOLL_LOG=warn
unset VCOLL_ALG VCOLL_WAIT VCOLL_CHANNELS VCOLL_NODE_SPLIT VCOLL_CMA VCOLL_CMA_MIN
ran=$scratch/ran
: >"$ran"

# one NP ARGS...: one run in the present environment
one() {
    np=$1
    shift
    if ! timeout 100 "$mpirun" -n "$np" "$prog" --seed "$seed" --seconds 6 --report "$@" >"$scratch/out" 2>&1 </dev/null; then
        cat "$scratch/out"
        fail "$coll: VCOLL_ALG=$VCOLL_ALG on $np ranks (NODE_SPLIT=$VCOLL_NODE_SPLIT CHANNELS=$VCOLL_CHANNELS WAIT=$VCOLL_WAIT CMA=$VCOLL_CMA)"
    fi
    grep '^ran ' "$scratch/out" >>"$ran"
    if grep -v '^ran \|^differential: seed' "$scratch/out" | grep .; then
        fail "unexpected output above: VCOLL_ALG=$VCOLL_ALG"
    fi
}

# The k-th word of a list, round and round.
pick() {
    k=$1
    shift
    shift $((k % $#))
    echo "$1"
}

if [ "$coll" = auto ]; then
    i=0
    for np in 1 2 3 4 5 6 7 8 9; do
        i=$((i + 1))
        seed=$((seed + 1))
        VCOLL_WAIT=$(pick $i auto event hybrid) VCOLL_NODE_SPLIT=$(pick $i 0 1 2 3)
        VCOLL_CHANNELS=$(pick $((i / 2)) shm,mpi mpi) VCOLL_CMA=$(pick $((i / 3)) 1 0)
        export VCOLL_WAIT VCOLL_NODE_SPLIT VCOLL_CHANNELS VCOLL_CMA
        one $np --iterations 60
    done
    VCOLL_WAIT=poll VCOLL_NODE_SPLIT=0 VCOLL_CHANNELS=shm,mpi VCOLL_CMA=1
    one 2 --iterations 150
    VCOLL_REPRODUCIBLE=1 VCOLL_NODE_SPLIT=2
    export VCOLL_REPRODUCIBLE
    one 4 --iterations 60
    exit 0
fi

"$algs" >"$scratch/algs" || fail "cannot list the algorithms"
i=$seed
while read -r c alg restrictions params; do
    [ "$c" = "$coll" ] || continue
    i=$((i + 1))
    seed=$((seed + 1))
    # As registry.h numbers them: power of two 2, even 4, one node 8, equal nodes 16, nodes of consecutive ranks 32.
    case $alg in
    two_level* | three_level*) splits="2 3 2" sizes="4 6 8" ;;
    native | shm*) splits="0" sizes="2 3 5 9" ;;
    *) splits="1 0 3 2" sizes="3 8 5 7 4 9 6 2" ;;
    esac
    [ $((restrictions & 2)) -ne 0 ] && sizes="4 8 2"
    [ $((restrictions & 4)) -ne 0 ] && sizes="6 8 4 2"
    [ $((restrictions & 8)) -ne 0 ] && splits=0
    VCOLL_ALG=$c=$alg VCOLL_NODE_SPLIT=$(pick $i $splits)
    VCOLL_WAIT=auto VCOLL_CHANNELS=shm,mpi VCOLL_CMA=1 VCOLL_CMA_MIN=4k
    export VCOLL_ALG VCOLL_NODE_SPLIT VCOLL_WAIT VCOLL_CHANNELS VCOLL_CMA VCOLL_CMA_MIN
    np=$(pick $i $sizes)
    [ "$VCOLL_NODE_SPLIT" = 3 ] && [ $((restrictions & 16)) -ne 0 ] && np=6
    one "$np" --favour "$c" --iterations 50 --max-bytes 262144

    seed=$((seed + 1))
    [ $((params & 1)) -ne 0 ] && VCOLL_ALG="$VCOLL_ALG:radix=$(pick $i 3 4 5)"
    [ $((params & 2)) -ne 0 ] && VCOLL_ALG="$VCOLL_ALG:segment=$(pick $i 1k 64 16k)"
    [ $((params & 4)) -ne 0 ] && VCOLL_ALG="$VCOLL_ALG:leaders=$(pick $i 2 1 3)"
    VCOLL_NODE_SPLIT=$(pick $((i + 1)) $splits)
    VCOLL_WAIT=$(pick $i event hybrid poll)
    np=$(pick $((i + 1)) $sizes)
    [ $VCOLL_WAIT = poll ] && [ "$np" -gt 4 ] && VCOLL_WAIT=event
    case $alg in
    two_level* | three_level* | shm*) VCOLL_CHANNELS=shm,mpi ;;
    *) VCOLL_CHANNELS=mpi ;;
    esac
    [ "$alg" = shm_cma ] || VCOLL_CMA=0
    one "$np" --favour "$c" --iterations 40 --max-bytes 65536
    grep -q "^ran $c=$alg " "$ran" || fail "$c=$alg was forced and never ran"
done <"$scratch/algs"
[ "$i" -gt 1 ] || fail "no algorithm of $coll"
exit 0
