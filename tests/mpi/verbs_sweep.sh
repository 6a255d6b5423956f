#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_sweep.sh MPIRUN DIFFERENTIAL ALGORITHMS flat|two_level: every plan over verbs. One algorithm of each collective is forced
# at a time; in the end each must have run, so the number of cases ends a run, and the time only on a machine that is very busy.
mpirun=$1 prog=$2 algs=$3 kind=$4
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VC_TEST_PRELOAD_EXPECTED=1 VCOLL_VERBS_ZCOPY_MIN=8k

"$algs" >"$scratch/all" || fail "cannot list the algorithms"
case $kind in
flat)
    export VCOLL_CHANNELS=verbs
    grep -v ' two_level\| shm\| native ' "$scratch/all" >"$scratch/algs"
    ;;
*)
    export VCOLL_CHANNELS=shm,verbs VCOLL_NODE_SPLIT=2
    grep ' two_level' "$scratch/all" >"$scratch/algs"
    ;;
esac

# The k-th of a collective's, round and round.
nth() {
    awk -v c="$1" -v k="$2" '$1 == c { a[n++] = $1 "=" $2 } END { print a[k % n] }' "$scratch/algs"
}
rounds=$(awk '{ n[$1]++ } END { for (c in n) if (n[c] > m) m = n[c]; print m }' "$scratch/algs")
[ "${rounds:-0}" -gt 1 ] || fail "no algorithms"

k=0
: >"$scratch/ran"
while [ $k -lt "$rounds" ]; do
    list=
    for c in $(awk '!seen[$1]++ { print $1 }' "$scratch/algs"); do
        list=$list${list:+,}$(nth $c $k)
    done
    # Powers of two, for those that want them, and other numbers; ranks that poll need CPUs.
    for how in 4:event 6:auto; do
        [ $((k % 3)) = 2 ] && [ $how = 6:auto ] && how=2:poll
        [ $how = 2:poll ] && [ "$kind" != flat ] && how=5:hybrid
        if ! VCOLL_ALG=$list VCOLL_WAIT=${how#*:} timeout 100 "$mpirun" -n "${how%:*}" "$prog" --seed $((k + 71)) --seconds 10 \
            --iterations 80 --max-bytes 131072 --report >"$scratch/out" 2>&1 </dev/null; then
            cat "$scratch/out"
            fail "$how VCOLL_ALG=$list"
        fi
        grep '^ran ' "$scratch/out" >>"$scratch/ran"
        grep -v '^ran \|^differential: seed' "$scratch/out" | grep . && fail "unexpected output above: VCOLL_ALG=$list"
    done
    k=$((k + 1))
done
while read -r c alg _; do
    grep -q "^ran $c=$alg " "$scratch/ran" || fail "$c=$alg was forced and never ran"
done <"$scratch/algs"
echo ok
