#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# outside.sh WHAT MPIRUN DIRECTORY: programs that are not Open MPI's, and what Open MPI's leave to their children.
what=$1 mpirun=$2 dir=$3
. "$(dirname "$0")/law_common.sh"
V=$VC_TEST_PRELOAD
unset VC_TEST_PRELOAD VCOLL_DISABLE VCOLL_LOG PMI_RANK PMIX_RANK SLURM_PROCID

# same WHY COMMAND...: with vcoll preloaded the command prints what it prints without, the same on both streams, and ends so.
# COMMAND's standard error with vcoll is in $scratch/err.
same() {
    why=$1
    shift
    "$@" >"$scratch/out0" 2>"$scratch/err0" </dev/null
    code=$?
    LD_PRELOAD=$V timeout 60 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    [ $? = "$code" ] || { cat "$scratch/err" >&2; fail "$why: exit codes differ"; }
    cmp "$scratch/out0" "$scratch/out" || fail "$why: output differs: $(cat "$scratch/out")"
}
silent() {
    same "$@"
    cmp "$scratch/err0" "$scratch/err" || fail "$1: standard error differs: $(cat "$scratch/err")"
}

case $what in
mpich)
    "$dir/other_program" >"$scratch/out" || fail "the program does not run without vcoll"
    grep -q '^got 42, handle 4000000, guard 4711, 44 calls$' "$scratch/out" || fail "the program is wrong: $(cat "$scratch/out")"
    for word in "" thread; do
        # shellcheck disable=SC2086
        same "other MPI $word" "$dir/other_program" $word
        [ "$(wc -l <"$scratch/err")" = 1 ] || fail "not one line: $(cat "$scratch/err")"
        grep -q 'vcoll: .*"MPICH Version: 9.8.7" and not Open MPI.*passed through' "$scratch/err" ||
            fail "not the line: $(cat "$scratch/err")"
    done
    PMI_RANK=0 same "rank 0" "$dir/other_program"
    [ -s "$scratch/err" ] || fail "rank 0 is silent"
    PMI_RANK=1 silent "rank 1" "$dir/other_program"
    VCOLL_DISABLE=1 silent "disabled" "$dir/other_program"
    VCOLL_LOG=error silent "errors alone" "$dir/other_program"
    VCOLL_LOG=error VCOLL_STATS=text VCOLL_TUNE=online silent "statistics" "$dir/other_program"
    ;;
none)
    silent "true" /bin/true
    silent "ls" ls /
    silent "a shell" sh -c 'echo "$0" a; ls /nowhere; exit 7'
    VCOLL_STATS=text VCOLL_STRICT=1 VCOLL_NONSENSE=1 silent "settings" sh -c 'echo a'
    silent "python" python3 -c 'import os, threading; print(len(os.sched_getaffinity(0)), threading.active_count())'
    # vcoll's sched_yield() hands calls on to a tool's behind it.
    for order in "$dir/libyield_count.so" "$V:$dir/libyield_count.so"; do
        LD_PRELOAD=$order python3 -c 'import os; [os.sched_yield() for _ in range(3)]' 2>"$scratch/err" </dev/null
        grep -qx 'yields: 3' "$scratch/err" || fail "sched_yield with LD_PRELOAD=$order: $(cat "$scratch/err")"
    done
    # A program that brings MPI_ names of its own, and no MPI.
    silent "a stand-in" "$dir/other_stub_program"
    silent "a stand-in, threads" "$dir/other_stub_program" thread
    grep -q '^got 42, handle 4000000, guard 4711, 44 calls$' "$scratch/out" || fail "the stand-in: $(cat "$scratch/out")"
    ;;
children)
    # told PRELOAD WITHIN WORDS...: LD_PRELOAD before MPI_Init is PRELOAD, from then on WITHIN.
    told() {
        timeout 60 env OMPI_MCA_btl=self,vader "$mpirun" -n 1 env LD_PRELOAD="$1" "$dir/children" >"$scratch/all" 2>&1 ||
            { cat "$scratch/all" >&2; fail "children with $1"; }
        # Launchers have words of their own.
        grep -aE '^(before|within|after|vcoll)' "$scratch/all" >"$scratch/out"
        printf 'before: %s\nwithin: %s\nafter: %s\n' "$1" "$2" "$2" | cmp - "$scratch/out" ||
            { cat "$scratch/out" >&2; fail "children with $1"; }
    }
    told "$V" none
    told "libm.so.6:$V" libm.so.6
    told "$V:libm.so.6:libdl.so.2" libm.so.6:libdl.so.2
    told "libm.so.6 $V libdl.so.2" libm.so.6:libdl.so.2
    told "libm.so.6:" libm.so.6:
    ln -s "$V" "$scratch/libother.so"
    told "$scratch/libother.so" none
    VCOLL_DISABLE=1 told "$V" none
    # By its name alone, found as libraries are.
    cp "$V" "$scratch/libvcoll.so"
    LD_LIBRARY_PATH=$scratch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
    told libvcoll.so none
    # What starts the program hands the library on.
    timeout 60 "$mpirun" -n 1 env LD_PRELOAD="$V" VCOLL_STATS=text sh -c "sh -c '$dir/children; :'; :" >"$scratch/out" 2>&1
    grep -aq '^allreduce' "$scratch/out" || fail "through two shells: $(cat "$scratch/out")"
    ;;
*)
    fail "outside.sh mpich|none|children MPIRUN DIRECTORY"
    ;;
esac
echo ok
