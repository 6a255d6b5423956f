#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_cpu.sh MPIRUN DIRECTORY: few CPUs. Ranks that share one, or live under a quota, finish; ranks that wait sleep.
mpirun=$1 dir=$2 verify=$2/law_verify
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

for wait in auto event hybrid; do
    VCOLL_WAIT=$wait timeout 100 taskset -c 0 "$mpirun" -n 4 "$verify" 1 >"$scratch/out" 2>&1 </dev/null &&
        [ "$(cat "$scratch/out")" = "ok active" ] || {
        cat "$scratch/out"
        fail "4 ranks on one CPU, VCOLL_WAIT=$wait"
    }
done

# A quota, where we may set one: half of a CPU for 4 ranks. cgroup v2, or the cpu controller of v1.
group=
no_quota() {
    echo "the quota of half a CPU cannot be set here: that part is skipped"
    skipped=true
    [ -z "$group" ] || rmdir "$group"
    group=
}
skipped=false
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    if mkdir /sys/fs/cgroup/vc_law_$$ 2>/dev/null; then
        group=/sys/fs/cgroup/vc_law_$$
        echo "50000 100000" 2>/dev/null >"$group/cpu.max" || no_quota
    fi
elif [ -f /sys/fs/cgroup/cpu/cpu.cfs_quota_us ] || [ -f /sys/fs/cgroup/cpu/tasks ]; then
    if mkdir /sys/fs/cgroup/cpu/vc_law_$$ 2>/dev/null; then
        group=/sys/fs/cgroup/cpu/vc_law_$$
        echo 50000 2>/dev/null >"$group/cpu.cfs_quota_us" || no_quota
    fi
fi
[ -n "$group" ] || $skipped || no_quota
if [ -n "$group" ]; then
    # shellcheck disable=SC2016
    timeout 100 sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$mpirun" -n 4 "$verify" 1 \
        >"$scratch/out" 2>&1 </dev/null
    rc=$?
    rmdir "$group" 2>/dev/null || { sleep 2 && rmdir "$group"; } # the last process may still be leaving
    [ $rc = 0 ] && [ "$(cat "$scratch/out")" = "ok active" ] || {
        cat "$scratch/out"
        fail "4 ranks under a quota of half a CPU: exit code $rc"
    }
fi

# Waiting cool: checked by the program, and by the sleeps that vcoll counted.
for wait in auto event hybrid; do
    VCOLL_WAIT=$wait VCOLL_STATS=json VCOLL_STATS_FILE=$scratch/stats timeout 60 "$mpirun" -n 8 "$dir/law_cool" \
        >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "VCOLL_WAIT=$wait: the ranks that wait are not cool"
    }
    sleeps=$(sed -n 's/.*"sleeps": *\([0-9]*\).*/\1/p' "$scratch/stats")
    [ "${sleeps:-0}" -ge 7 ] || {
        cat "$scratch/stats"
        fail "VCOLL_WAIT=$wait: 7 ranks waited for a second in ${sleeps:-no} sleeps"
    }
done
$skipped && skip "all but the quota was checked"
echo ok
