#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_messages.sh MPIRUN DIRECTORY: silence on a healthy run, one clear line on a wrong setting.
mpirun=$1 verify=$2/law_verify posts=$2/law_posts
. "$(dirname "$0")/law_common.sh"

# run NP WORDS...: exit code in $rc, output in out and err
run() {
    np=$1
    shift
    timeout 60 "$mpirun" -n "$np" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    rc=$?
}
show() {
    cat "$scratch/out" "$scratch/err"
    fail "$@"
}

# Healthy: nothing at all from vcoll, whatever the policy.
for wait in auto event; do
    VCOLL_WAIT=$wait run 4 "$verify" 1
    [ $rc = 0 ] && [ "$(cat "$scratch/out")" = "ok active" ] && [ ! -s "$scratch/err" ] ||
        show "a healthy run with VCOLL_WAIT=$wait is not silent"
done

# An unknown variable: one warning that names the nearest valid one.
VCOLL_WIAT=event run 3 "$verify" 1
[ $rc = 0 ] && grep -q '^ok active' "$scratch/out" || show "an unknown variable must not stop the job"
[ "$(grep -c vcoll "$scratch/err")" = 1 ] && grep -q 'VCOLL_WIAT.*VCOLL_WAIT' "$scratch/err" ||
    show "an unknown variable: one warning with the nearest name was wanted"

# Under VCOLL_STRICT it is an error, with both names.
VCOLL_STRICT=1 VCOLL_WIAT=event run 3 "$verify" 1
[ $rc != 0 ] && [ $rc != 124 ] && grep -q 'VCOLL_WIAT.*VCOLL_WAIT' "$scratch/err" ||
    show "VCOLL_STRICT=1 and an unknown variable: exit code $rc"
grep -q '^ok' "$scratch/out" && show "VCOLL_STRICT=1: the job went on"

# A bad value: an error that names what is valid, and the job ends.
for bad in VCOLL_WAIT=sometimes:hybrid VCOLL_ALG=allreduce=rnig:ring VCOLL_CHANNELS=tcp:shm VCOLL_CMA=perhaps:0 \
    VCOLL_NODE_SPLIT=-1:0 VCOLL_SHM_BULK=much:size VCOLL_STATS=xml:json VCOLL_ALG=allredcue=ring:allreduce \
    VCOLL_LOG=loud:debug; do
    env "${bad%:*}" timeout 60 "$mpirun" -n 3 "$verify" 1 >"$scratch/out" 2>"$scratch/err" </dev/null
    rc=$?
    name=${bad%%=*} valid=${bad##*:}
    [ $rc != 0 ] && [ $rc != 124 ] || show "$bad: exit code $rc"
    grep -q '^ok' "$scratch/out" && show "$bad: the job went on"
    grep "$name" "$scratch/err" | grep -q "$valid" || show "$bad: the error names not $name with $valid"
    [ "$(grep -c '^vcoll' "$scratch/err")" -le 3 ] || show "$bad: too many lines"
done

# Switched off: nothing is taken over, nothing is counted, nothing is said.
VCOLL_DISABLE=1 VCOLL_STATS=text run 3 "$verify" 1
[ $rc = 0 ] && grep -q '^ok' "$scratch/out" && ! grep -q '^ok active' "$scratch/out" ||
    show "VCOLL_DISABLE=1 is not passive"
grep -q 'taken over' "$scratch/err" && show "VCOLL_DISABLE=1 counts"

# Statistics go where they are asked to.
VCOLL_STATS=json VCOLL_STATS_FILE=$scratch/stats.json run 2 "$verify" 1
[ $rc = 0 ] && [ -s "$scratch/stats.json" ] && [ ! -s "$scratch/err" ] || show "VCOLL_STATS_FILE"
grep -q '"allreduce"' "$scratch/stats.json" || show "no allreduce in the statistics"

# The way of calls that nobody waits for where they are posted.
VCOLL_STATS=text VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=1 VCOLL_CHANNELS=mpi VCOLL_ALG=allreduce=recursive_doubling \
    run 3 "$posts" mixed
[ $rc = 0 ] && grep -q '^allreduce .* recursive_doubling  *mpi ' "$scratch/err" && ! grep -q '^allreduce .* local ' "$scratch/err" ||
    show "the way of nonblocking calls"
echo ok
