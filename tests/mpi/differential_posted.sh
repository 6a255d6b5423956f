#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# differential_posted.sh MPIRUN DIFFERENTIAL ALGORITHMS: nonblocking collectives, several under way, with every algorithm forced.
# Each round forces one of each collective: those of a node alone, then those with messages. Algorithms that exchange lengths
# first are not for nonblocking calls, which would run natively. VC_TEST_PRELOAD names the library.
mpirun=$1 prog=$2 algs=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1 VCOLL_LOG=warn VCOLL_CMA_MIN=4k
unset VCOLL_ALG VCOLL_WAIT VCOLL_CHANNELS VCOLL_NODE_SPLIT VCOLL_CMA
"$algs" >"$scratch/algs" || fail "cannot list the algorithms"

# round K KIND: the K-th algorithm of that kind of each collective, round and round; nothing where no collective has so many.
round() {
    awk -v k="$1" -v kind="$2" '
        $1 ~ /^(gather|scatter|alltoall)[vw]$/ && $2 ~ /^(binomial|two_level)$/ { next }
        $2 == "native" || (kind == "node") != ($2 ~ /^shm/) { next }
        { name[$1, n[$1]++] = $2 }
        END {
            for (c in n) {
                most = n[c] > most ? n[c] : most
                list = list (list ? "," : "") c "=" name[c, k % n[c]]
            }
            if (k < most)
                print list
        }' "$scratch/algs"
}

# sweep KIND RANKS
sweep() {
    k=0
    while VCOLL_ALG=$(round $k "$1") && [ -n "$VCOLL_ALG" ]; do
        VCOLL_PROGRESS=$([ $((k % 3)) = 2 ] && echo thread || echo off)
        export VCOLL_ALG VCOLL_PROGRESS
        timeout 100 "$mpirun" -n "$2" "$prog" --seed $((40 + k)) --seconds 2 --iterations 150 --nonblocking --taken \
            >"$scratch/out" 2>&1 </dev/null || {
            cat "$scratch/out"
            fail "VCOLL_ALG=$VCOLL_ALG VCOLL_PROGRESS=$VCOLL_PROGRESS on $2 ranks"
        }
        if grep -v '^differential: seed' "$scratch/out" | grep -v 'VCOLL_PROGRESS: the program has no' | grep .; then
            fail "unexpected output above: VCOLL_ALG=$VCOLL_ALG"
        fi
        k=$((k + 1))
    done
    [ $k -gt 1 ] || fail "no algorithm"
}

sweep node 3
# Four ranks on two nodes: no algorithm refuses them.
export VCOLL_NODE_SPLIT=2
sweep messages 4
exit 0
