#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_owns.sh MPIRUN DIRECTORY NM: Law 5. vcoll owns no signals and never calls ibv_fork_init: handlers are the same with
# and without it, and it does not even import what would install one.
mpirun=$1 dir=$2 nm=$3
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1
lib=$VC_TEST_PRELOAD

"$nm" -D --undefined-only "$lib" >"$scratch/imports" || fail "nm failed"
grep -E ' (ibv_fork_init|sigaction|signal|sigprocmask|sigaltstack|pthread_sigmask|signalfd|pthread_atfork)(@|$)' \
    "$scratch/imports" && fail "imports the above"
timeout 60 "$mpirun" -n 2 "$dir/law_signals" >"$scratch/with" 2>&1 </dev/null || fail "the program failed"
(unset VC_TEST_PRELOAD && timeout 60 "$mpirun" -n 2 "$dir/law_signals" >"$scratch/without" 2>&1 </dev/null) ||
    fail "the program failed without vcoll"
[ -s "$scratch/with" ] || fail "no output"
diff "$scratch/without" "$scratch/with" || fail "signal handlers differ (<: without vcoll, >: with it)"
echo ok
