#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_run.sh MPIRUN CHANNEL RANKS PROGRAM...: a healthy run over the loopback verbs device. It must succeed, vcoll must be
# silent, and messages must have gone over CHANNEL ("verbs" or "shm+verbs") and never over the MPI underneath.
# VC_TEST_SLEEPS=some: ranks must have slept; none: they must not.
mpirun=$1 channel=$2 np=$3
shift 3
. "$(dirname "$0")/law_common.sh"
VCOLL_STATS=json VCOLL_STATS_FILE=$scratch/stats
export VCOLL_STATS VCOLL_STATS_FILE

show() {
    cat "$scratch/out"
    fail "$@"
}

timeout -k 5 "${VC_TEST_SECONDS:-100}" "$mpirun" -n "$np" "$@" >"$scratch/out" 2>&1 </dev/null
rc=$?
[ $rc = 77 ] && skip "the program says so"
[ $rc = 0 ] || show "exit code $rc"
grep -q '^vcoll' "$scratch/out" && show "not silent"
[ -s "$scratch/stats" ] || show "no statistics"
went() {
    sed -n 's/.*"channel": "\(.*\)".*/\1/p' "$scratch/stats" | grep -c "$@"
}
[ "$(went -x "$channel")" -gt 0 ] || show "nothing went over $channel but: $(grep '"channel"' "$scratch/stats" | sort -u)"
[ "$(went mpi)" = 0 ] || show "some went over the MPI underneath"
sleeps=$(sed -n 's/.*"sleeps": *\([0-9]*\).*/\1/p' "$scratch/stats")
case $VC_TEST_SLEEPS in
some) [ "${sleeps:-0}" -gt 0 ] || show "nobody slept" ;;
none) [ "${sleeps:-1}" = 0 ] || show "ranks slept $sleeps times" ;;
esac
grep '^differential\|^burnt' "$scratch/out"
exit 0
