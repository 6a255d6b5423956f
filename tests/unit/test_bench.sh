#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# vcoll-bench end to end, briefly: test_bench.sh <vcoll-bench> <loopback verbs library> [lost]. Needs jq for the JSON.
bench=$1 loopback=$2 part=$3
unset OMPI_COMM_WORLD_SIZE PMIX_RANK PMI_RANK
. "$(dirname "$0")/../launch.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

# Messages of Open MPI 5's launcher contain NUL bytes.
grep() { command grep -a "$@"; }

fail() {
    echo "FAILED: $*"
    failed=1
}

# expect <status> <words...>: runs the bench, output to $dir/out and $dir/err.
expect() {
    want=$1
    shift
    "$bench" "$@" > "$dir/out" 2> "$dir/err"
    got=$?
    [ $got = "$want" ] && return 0
    fail "vcoll-bench $* ended with $got, not $want"
    cat "$dir/out" "$dir/err"
    return 1
}

says() {
    grep -q -- "$2" "$dir/$1" || {
        fail "no '$2' in:"
        cat "$dir/$1"
    }
}

# A connection that breaks ends raw verbs, and nothing else; the other end must not wait for ever, but it waits for 10 s.
if [ "$part" = lost ]; then
    # Beside other tests, so that ranks must not be bound.
    export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1
    export PRTE_MCA_hwloc_default_binding_policy=none PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
    export VCOLL_VERBS_LIBRARY="$loopback"
    if VC_LOOPBACK='rank=1,qperr@10' expect 0 -n 2 --floor --channel verbs,mpi --json "$dir/j"; then
        says err 'raw verbs are not measured any more'
        jq -e '.floor.verbs_one_way == null' "$dir/j" > /dev/null || fail "lost: $(head -c 2000 "$dir/j")"
    fi
    [ $failed = 0 ] && echo "all passed"
    exit $failed
fi

# Wrong words are found before anything starts, and told with what is right.
expect 2 allredoose && says err alltoall
expect 2 --sizes 8: && says err '8:'
expect 2 --sizes 4k:1k && says err 4k:1k
expect 2 --sizes 3G && says err 3G
expect 2 --measure never && says err b2b
expect 2 --alg ring && says err allreduce=ring
expect 2 -n 2 --root 2 && says err '0 to 1'
expect 2 --iterations 1.5 && says err whole
expect 2 --set WAIT && says err NAME=VALUE
expect 0 --help && says out 'vcoll bench -n 8 allreduce --sizes 8:4k'

# Each collective, odd sizes too, on more ranks than most machines have to spare; results checked.
if expect 0 -n 3 --verify --iterations 3 --sizes 1,12,8:64k:16 --root 1 --json "$dir/j"; then
    says out 'from a common start'
    says out 'back to back'
    says out verified
    for coll in barrier bcast reduce allreduce allgather alltoall gather scatter gatherv scatterv \
        allgatherv alltoallv alltoallw reduce_scatter reduce_scatter_block scan exscan; do
        says out "^$coll"
    done
    jq -e '.ranks == 3 and (.points | length) == 97 and all(.points[]; .wrong_ranks == 0 and .b2b.ratio > 0)
        and all(.points[]; .b2b.native.samples == 3 and (.algorithm | length) > 0)' "$dir/j" > "$dir/out" ||
        fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
fi

# The same words twice: the same order of points; only what was asked for is measured.
if expect 0 -n 2 --iterations 2 --measure b2b --sizes 8 --json - allreduce; then
    jq -e '[.points[].collective] == ["allreduce"] and .points[0].start == null and .arguments[0] == "-n"' \
        "$dir/out" > /dev/null || fail "JSON on standard output: $(head -c 2000 "$dir/out")"
    says err 'back to back'
fi

# Settings reach the library.
if expect 0 -n 2 --iterations 2 --sizes 8 --set DISABLE=1 allreduce; then
    says out 'with VCOLL_DISABLE=1'
    says out ' native'
fi

# By an mpirun that only tells: settings reach ranks on other hosts.
mkdir "$dir/bin"
printf '#!/bin/sh\nfor word; do echo "[$word]"; done\n' > "$dir/bin/mpirun"
chmod +x "$dir/bin/mpirun"
(
    PATH=$dir/bin:$PATH VCOLL_WAIT=poll VCOLL_TABLE=none
    export PATH VCOLL_WAIT VCOLL_TABLE
    "$bench" -n 2 --mpirun-arg --host --mpirun-arg a,b bcast
) > "$dir/out" 2> "$dir/err"
for name in VCOLL_WAIT VCOLL_TABLE; do
    grep -A 1 '^\[-x\]$' "$dir/out" | grep -q "^\[$name\]$" || fail "$name does not reach other hosts"
done
# Who binds, places or names hosts decides, in the words of Open MPI's launchers up to 4 and since.
binds() {
    want=$1
    shift
    got=$(env PATH="$dir/bin:$PATH" "$@" bcast | grep -c '^\[--bind-to\]$')
    [ "$got" = "$want" ] || fail "$*: --bind-to $got times, not $want"
}
binds 1 "$bench" -n 2
for word in --bind-to --host --hostfile; do
    got=$(PATH=$dir/bin:$PATH "$bench" -n 2 --mpirun-arg $word --mpirun-arg none bcast | sed -n 3p)
    [ "$got" = "[$word]" ] || fail "before $word: $got"
done
for setting in OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_orte_default_hostfile=h OMPI_MCA_rmaps_base_mapping_policy=node \
    PRTE_MCA_hwloc_default_binding_policy=none PRTE_MCA_prte_default_hostfile=h PRTE_MCA_rmaps_default_mapping_policy=ppr:1:node; do
    binds 0 "$setting" "$bench" -n 2
done
binds 1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe "$bench" -n 2
OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none \
    expect 0 -n 2 --iterations 2 --sizes 8 --mpirun-arg --oversubscribe bcast
expect 0 -n 2 --iterations 2 --sizes 8 --mpirun-arg --bind-to --mpirun-arg none --mpirun-arg --oversubscribe bcast

# The other questions.
if expect 0 -n 2 --cpu=0.05 --setup-cost --overhead --floor --json "$dir/j"; then
    says out 'one rank computes for 0.05 s'
    says out 'A fresh communicator'
    says out 'pass through'
    jq -e '.cpu.native.waiting_cpu >= 0 and .cpu.vcoll.took >= 0.04 and .setup.communicators == 20
        and (.overhead | length) == 3 and .points == null and (.floor.memcpy | length) > 0' "$dir/j" > /dev/null ||
        fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
fi

if expect 0 -n 2 --cpu-per-op=0.1 --wait event --json "$dir/j"; then
    says out 'CPU-seconds for 1000 allreduces'
    jq -e '.points == null and all(.cpu_per_op[]; .time > 0 and .calls >= 10 and .rounds > 2
        and .ranks_cpu >= .ranks_kernel_cpu)
        and .cpu_per_op.vcoll.ranks_cpu > 0' "$dir/j" > /dev/null ||
        fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
fi

# Raw verbs: between the first two ranks that talk verbs, and in between the blocks of the 8-byte allreduce.
export VCOLL_VERBS_LIBRARY="$loopback"
known='.floor.verbs_one_way | .device == "loop0" and .polled.samples > 5 and .event.samples > 5
    and .exchange_polled.samples > 5 and .exchange_event.samples > 5 and .exchange_polled.min > 0
    and .polled.min > 0 and .polled.median >= .polled.min and .event.p99 >= .event.median'
if expect 0 -n 3 --channel verbs --time 0.1 --sizes 8,64 allreduce bcast --json "$dir/j"; then
    says out 'raw verbs between ranks 0 and 1 (loop0)'
    says out 'vcoll / raw verbs one way, event'
    says out 'vcoll / raw verbs exchange, polled'
    jq -e "($known) and .floor.verbs_one_way.peer == 1"' and ([.points[] | select(.over_verbs)] | length) == 1
        and (.points[0].over_verbs | .start.polled.rounds >= 0 and .b2b.event.ratio > 0 and .b2b.polled.rounds > 0)' \
        "$dir/j" > /dev/null || fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
fi
if expect 0 -n 4 --split 2 --floor --json "$dir/j"; then
    jq -e "($known) and .floor.verbs_one_way.peer == 2" "$dir/j" > /dev/null ||
        fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
fi
# Inline that is asked for and not granted.
if VC_LOOPBACK=grant_inline=0 expect 0 -n 2 --floor --channel verbs,mpi --json "$dir/j"; then
    jq -e "($known)" "$dir/j" > /dev/null || fail "without inline: $(head -c 2000 "$dir/j")"
fi
# No floor, and no word about it, where messages go another way or a device is missing at one end.
unknown() {
    expect 0 -n 2 "$@" --json "$dir/j" || return
    jq -e '.floor.verbs_one_way == null' "$dir/j" > /dev/null || fail "$*: $(head -c 2000 "$dir/j")"
    ! grep 'vcoll bench' "$dir/err" || fail "$*: it is not worth a word of the bench"
}
unknown --floor
unknown --floor --set DISABLE=1 --channel verbs
VC_LOOPBACK=devices=0 unknown --floor --channel verbs,mpi
VC_LOOPBACK='rank=1,fail=ibv_create_qp:all' unknown --floor --channel verbs,mpi
VC_LOOPBACK='rank=0,fail=ibv_reg_mr:all' unknown --floor --channel verbs,mpi
unset VCOLL_VERBS_LIBRARY

# A rank alone.
expect 0 -n 1 --iterations 2 --sizes 8 --cpu=0.01

expect 0 -n 2 --iterations 2 --sizes 8,64 bcast reduce --plot "$dir/p.svg" && {
    for word in '^<svg ' '^</svg>' '>bcast<' '>reduce<' 'common start' 'back to back' '64 B'; do
        grep -q "$word" "$dir/p.svg" || fail "no $word in the picture"
    done
}
expect 1 -n 2 --iterations 2 --sizes 8 --plot /nonexistent/p.svg bcast && says err /nonexistent/p.svg
expect 1 -n 2 --iterations 2 --sizes 8 --json /nonexistent/j bcast && says err /nonexistent/j
[ $failed = 0 ] && echo "all passed"
exit $failed
