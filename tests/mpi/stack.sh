#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# stack.sh WHAT MPIRUN DIRECTORY [VCOLL]: other tools of the profiling interface beside vcoll, in every order. Each sees what it sees
# without vcoll, and vcoll takes over what they hand on.
what=$1 mpirun=$2 dir=$3
. "$(dirname "$0")/law_common.sh"
V=$VC_TEST_PRELOAD A=$dir/libstack_a.so B=$dir/libstack_b.so N=$dir/libstack_next.so D=$dir/libstack_both.so
unset VC_TEST_PRELOAD
export VCOLL_SETUP_AFTER=1

# see PRELOAD PROGRAM WORDS...
see() {
    preload=$1 program=$2
    shift 2
    VC_TEST_PRELOAD=$preload timeout 60 "$mpirun" -n 2 "$dir/$program" "$@" >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out" >&2
        fail "$program with LD_PRELOAD=$preload: not $*"
    }
    # Launchers have words of their own, about settings of theirs.
    if grep -a '^vcoll' "$scratch/out" >&2 && [ -z "$loud" ]; then
        fail "$program with LD_PRELOAD=$preload: something was printed"
    fi
}
loud=
case $what in
preloaded)
    see "$A" stack_calls vcoll=off tool_a=all
    see "$A:$V" stack_calls vcoll=on tool_a=all
    see "$V:$A" stack_calls vcoll=on tool_a=all
    # Two: natively the second is cut off by the first, which calls PMPI_X.
    see "$A:$B" stack_calls vcoll=off tool_a=all tool_b=none
    for order in "$A:$B:$V" "$A:$V:$B" "$V:$A:$B"; do
        see "$order" stack_calls vcoll=on tool_a=all tool_b=none
    done
    ;;
linked)
    see "" stack_linked vcoll=off tool_a=all
    see "$V" stack_linked vcoll=on tool_a=all
    for order in "$B:$V" "$V:$B"; do
        see "$order" stack_linked vcoll=on tool_b=all tool_a=none
    done
    # In the program itself.
    see "" stack_static vcoll=off tool_a=all
    see "$V" stack_static vcoll=on tool_a=all
    # vcoll linked behind and before a linked tool.
    see "" stack_vcoll_last vcoll=on tool_a=all
    see "" stack_vcoll_first vcoll=on tool_a=all
    ;;
chained)
    # This one goes to the next MPI_X: before vcoll to vcoll's, which hands it on.
    see "$N" stack_calls vcoll=off tool_next=all
    see "$N:$V" stack_calls vcoll=on tool_next=all
    see "$N:$V:$A" stack_calls vcoll=on tool_next=all tool_a=all
    see "$V:$N:$A" stack_calls vcoll=on tool_next=all tool_a=all
    # Behind vcoll it goes past it: all its calls are the MPI's, and one line says what to do.
    loud=1
    see "$V:$N" stack_calls vcoll=off tool_next=all
    [ "$(grep -ac 'takes calls to the MPI past vcoll' "$scratch/out")" = 1 ] || fail "not one line: $(cat "$scratch/out")"
    loud=
    VCOLL_DISABLE=1 see "$V:$N" stack_calls vcoll=off tool_next=all
    # One that has PMPI_X as well hears of these.
    see "$D" stack_calls vcoll=off tool_both=ends
    see "$D:$V" stack_calls vcoll=on tool_both=ends
    see "$V:$D" stack_calls vcoll=on tool_both=ends
    see "$V:$A:$D" stack_calls vcoll=on tool_a=all tool_both=ends
    ;;
mixed)
    # A tool that goes past vcoll, on one rank alone: then no rank is served, and none waits for another.
    loud=1
    for odd in 0 1; do
        cat >"$scratch/one" <<EOF
if [ "\$OMPI_COMM_WORLD_RANK" = $odd ]; then
    LD_PRELOAD=$V:$N exec "$dir/stack_calls" vcoll=off tool_next=all
fi
LD_PRELOAD=$V exec "$dir/stack_calls" vcoll=off
EOF
        timeout 60 "$mpirun" -n 2 sh "$scratch/one" >"$scratch/out" 2>&1 </dev/null || {
            cat "$scratch/out" >&2
            fail "a tool on rank $odd alone"
        }
        grep -aq '^vcoll' "$scratch/out" || fail "a tool on rank $odd alone: not a word"
    done
    ;;
counts)
    # An MPI that has large counts under a vcoll that was built without.
    loud=1
    see "$V:$dir/libstack_counts.so" stack_calls vcoll=off
    [ "$(grep -ac 'vcoll.*MPI_Bcast_c.*everything is passed through' "$scratch/out")" = 1 ] ||
        fail "not one line: $(cat "$scratch/out")"
    loud=
    VCOLL_DISABLE=1 see "$V:$dir/libstack_counts.so" stack_calls vcoll=off
    ;;
run)
    # By vcoll run, with this mpirun.
    vcoll=$4
    mkdir "$scratch/bin"
    printf '#!/bin/sh\nPATH=%s\nexec "%s" "$@"\n' "$PATH" "$mpirun" >"$scratch/bin/mpirun"
    chmod +x "$scratch/bin/mpirun"
    PATH=$scratch/bin:$PATH
    ASAN_OPTIONS=detect_leaks=0
    export ASAN_OPTIONS
    # by [VARIABLE=VALUE...] -- WORDS...
    by() {
        timeout 60 env "$@" >"$scratch/out" 2>&1 </dev/null || {
            cat "$scratch/out" >&2
            fail "$*"
        }
        if grep -a '^vcoll\|ASan' "$scratch/out" >&2; then
            fail "$*: something was printed"
        fi
    }
    by "$vcoll" run --vcoll-lib "$V" -n 2 "$dir/stack_calls" vcoll=on
    by LD_PRELOAD="$A" "$vcoll" run --vcoll-lib "$V" -n 2 "$dir/stack_calls" vcoll=on tool_a=all
    by "$vcoll" run --vcoll-lib "$V" -n 2 -x LD_PRELOAD="$N" "$dir/stack_calls" vcoll=on tool_next=all
    [ -x "$dir/stack_asan" ] || exit 0
    # Some compiler's AddressSanitizer ends programs of some MPI by itself.
    timeout 60 "$mpirun" -n 2 "$dir/stack_asan" vcoll=off >/dev/null 2>&1 </dev/null || exit 0
    by "$vcoll" run --vcoll-lib "$V" -n 2 "$dir/stack_asan" vcoll=on
    by "$vcoll" run --vcoll-lib "$V" -n 2 -x LD_PRELOAD="$A" env X=1 "$dir/stack_asan" vcoll=on tool_a=all
    ;;
*)
    fail "stack.sh preloaded|linked|chained|mixed|counts|run MPIRUN DIRECTORY [VCOLL]"
    ;;
esac
echo ok
