#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `vcoll tune run` end to end, briefly: tune.sh CASE <vcoll-tune> <vcoll> <vcoll-bench>. Needs jq.
case=$1 tune=$2 vcoll=$3 bench=$4
unset OMPI_COMM_WORLD_SIZE PMIX_RANK PMI_RANK VCOLL_TABLE VCOLL_ALG VCOLL_WAIT
. "$(dirname "$0")/../launch.sh"
# Other tests may run on the same cores, so that ranks must not be bound to them.
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1
export PRTE_MCA_hwloc_default_binding_policy=none PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
command -v jq > /dev/null || { echo "jq is not installed: skipped"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/tune_budget.sh"
cd "$dir" || exit 1
failed=0

# Messages of Open MPI 5's launcher contain NUL bytes.
grep() { command grep -a "$@"; }

fail() {
    echo "FAILED: $*"
    failed=1
}

# expect <status> <words...>: runs the tuner, output to out and err.
expect() {
    want=$1
    shift
    tuner out err "$@"
    got=$?
    [ $got = "$want" ] && return 0
    fail "vcoll-tune $* ended with $got, not $want"
    cat out err
    return 1
}

says() {
    grep -q -- "$2" "$1" || {
        fail "no '$2' in:"
        cat "$1"
    }
}

# holds <file> <jq condition>
holds() {
    jq -e "$2" "$1" > /dev/null || {
        fail "$1: not so: $2"
        jq -c 'del(.measured, .rules)' "$1"
    }
}

# What every table must be like: valid to the loader, with its choices among what was measured, never something that is
# clearly slower than native, and with samples for each point.
good_table() {
    "$vcoll" tune validate "$1" > out 2> err || {
        fail "$1 is not valid"
        cat out err
    }
    holds "$1" '.vcoll_table == 1 and .rules[-1] == {"algorithm": "builtin"} and (.checksum | startswith("fnv1a64:"))'
    holds "$1" '(.measured | length) > 0 and all(.measured[]; . as $p
        | any(.candidates[]; .choice == $p.chosen and .rounds >= 3) and .candidates[0].choice == "native")'
    # Whoever asks for cheap ranks may get a choice that is slower than native.
    holds "$1" '(.provenance.objective == "cpu") as $cpu | all(.measured[]; . as $p | .chosen == "native"
        or any(.candidates[]; .choice == $p.chosen and ($cpu or .ratio.high >= 1) and (.dropped | not)))'
    holds "$1" '.provenance | .objective and .hosts and .seed and .command[1] == "tune" and .took_seconds > 0'
    points=$(jq '.measured | length' "$1")
    done=$(grep -c '^# done' "${1%.json}.samples.csv")
    [ "$done" -ge "$points" ] || fail "$points points, but $done of them are in the samples"
}

# A later run does what the table says.
obeyed() {
    for coll in allreduce bcast; do
        sizes=$(jq -r "[.measured[] | select(.collective == \"$coll\" and .ranks == $2) | .bytes] | join(\",\")" "$1")
        [ -n "$sizes" ] || continue
        VCOLL_TABLE=$dir/$1 timeout -k 5 40 "$bench" -n "$2" --iterations 2 --sizes "$sizes" --json b "$coll" > out 2> err || {
            fail "no run with the table"
            cat out err
        }
        jq -r "[.measured[] | select(.collective == \"$coll\" and .ranks == $2)] | sort_by(.bytes)[]
            | \"\(.bytes) \(.chosen | split(\":\")[0])\"" "$1" > want
        jq -r '.points | sort_by(.bytes)[] | "\(.bytes) \(.algorithm)"' b > got
        diff want got || fail "$coll does not run what the table says"
    done
}

case $case in
run2 | run4)
    n=${case#run}
    if expect 0 run -n "$n" --budget 6s --sizes 8,4k -o t.json --json s.json allreduce bcast barrier; then
        says out 'VCOLL_TABLE=t.json'
        cp out summary
        good_table t.json
        says summary 'candidates measured'
        holds s.json '.table == "t.json" and (.points | length) > 0 and .took_seconds < 2 * .budget_seconds + 5'
        obeyed t.json "$n"
    fi
    ;;
exhaustive)
    # Nothing is dropped, the policies are those that were asked for, the objective is the one.
    if expect 0 run -n 2 --budget 4s --sizes 64 --ranks 2 --exhaustive --objective cpu --wait event,hybrid:30 \
        -o t.json allreduce; then
        good_table t.json
        holds t.json '.provenance.objective == "cpu" and all(.measured[].candidates[]; .rounds > 0 and .cpu > 0)'
        holds t.json 'any(.measured[].candidates[]; .choice | endswith(":wait=hybrid:spin=30"))'
        holds t.json 'all(.measured[].candidates[]; .choice | contains("wait=poll") | not)'
    fi
    ;;
resume)
    expect 0 run -n 2 --budget 4s --sizes 8,512 -o t.json allreduce && cp t.json first.json
    # As if it had been killed while it wrote.
    printf 'allreduce,99,2,1,2,0,,0,native,0,b2b,1e-6' >> t.samples.csv
    if expect 0 run -n 2 --budget 4s --sizes 8,512 -o t.json --resume allreduce bcast; then
        good_table t.json
        holds t.json '.provenance.points_taken_over > 0'
        [ "$(grep -c 'allreduce,99,' t.samples.csv)" = 0 ] || fail "half a line was kept"
        # Samples judged again give the same verdict. Points of both runs that were in doubt may have been measured anew.
        jq -c '[.measured[] | select(.collective == "allreduce") | {bytes, chosen, n: [.candidates[].rounds]}] | sort' \
            first.json > a
        jq -c '[.measured[] | select(.collective == "allreduce") | {bytes, chosen, n: [.candidates[].rounds]}] | sort' \
            t.json > b
        jq -e -n --slurpfile a a --slurpfile b b 'any($a[0][]; . as $x | any($b[0][]; . == $x))' > /dev/null ||
            fail "no point was taken over as it was: $(cat a b)"
    fi
    # The budget also bounds what is measured before the samples are read.
    expect 1 run -n 2 --budget 1s --sizes 8,512 -o t.json --resume --objective tail allreduce && says err 'objective=latency'
    expect 1 run -n 2 --budget 1s --sizes 8,512 -o t.json --resume --set SPIN_US=7 allreduce && says err 'SPIN_US=7'
    echo nonsense > u.samples.csv
    expect 1 run -n 2 --budget 1s -o u.json --resume && says err 'no file of samples'
    ;;
interrupt)
    "$tune" run -n 2 --budget 10s -o t.json allreduce > out 2> err &
    pid=$!
    for i in $(seq 250); do
        grep -q '^# done' t.samples.csv 2> /dev/null && break
        sleep 0.1
    done
    [ "$i" -lt 250 ] || fail "no point in 25 s"
    kill -INT $pid
    wait $pid
    got=$?
    [ $got = 130 ] || fail "interrupted, it ended with $got"
    says err 'go on with the same words and --resume'
    good_table t.json
    holds t.json '.provenance.partial'
    expect 0 run -n 2 --budget 1s -o t.json --resume --sizes 8 allreduce && holds t.json '.provenance.points_taken_over > 0'
    # Killed, it takes mpirun along, and what was measured is there.
    "$tune" run -n 2 --budget 10s -o k.json allreduce > out 2> err &
    pid=$!
    for i in $(seq 250); do
        grep -q '^# done' k.samples.csv 2> /dev/null && break
        sleep 0.1
    done
    child=$(ps -o pid= --ppid $pid | tr -d ' ')
    [ -n "$child" ] || fail "no mpirun"
    kill -KILL $pid
    wait $pid 2> /dev/null
    for i in $(seq 100); do
        kill -0 "$child" 2> /dev/null || break
        sleep 0.1
    done
    ! kill -0 "$child" 2> /dev/null || fail "mpirun lives on"
    expect 0 run -n 2 --budget 1s -o k.json --resume --sizes 8 allreduce && holds k.json '.provenance.points_taken_over > 0'
    ;;
words)
    expect 2 && says err Usage
    expect 2 walk && says err 'run|check'
    expect 2 run --objective latancy && says err 'did you mean latency'
    expect 2 run --budget soon && says err '10m'
    expect 2 run --budget 0 && says err "'0'"
    expect 2 run --ranks 1,2 && says err 'from 2 on'
    expect 2 run --wait sleep && says err 'hybrid:MICROSECONDS'
    expect 2 run allredoose && says err alltoall
    expect 2 run --resume --force && says err 'which of the two'
    expect 2 run --sizes 4k:1k && says err 4k:1k
    expect 0 run --help && says out 'vcoll tune run -n 4 --quick' && says out balanced
    expect 0 check --help && says out 'guidelines'
    # An mpirun that only tells: quiet by the variables of both launchers, because Open MPI 5 refuses the word for it.
    mkdir bin
    printf '#!/bin/sh\nfor word; do echo "[$word]"; done\nenv\n' > bin/mpirun
    chmod +x bin/mpirun
    (PATH=$dir/bin:$PATH && expect 0 run -n 2 -o none.json bcast) || failed=1
    says out '^OMPI_MCA_orte_execute_quiet=1$' && says out '^PRTE_MCA_prte_execute_quiet=1$' && says out '^\[bcast\]$'
    ! grep -qx '\[-q\]\|\[--quiet\]' out || fail "a word that Open MPI 5's mpirun refuses: $(cat out)"
    expect 1 run -n 2 --resume -o none.json && says err 'no samples'
    : > t.json
    expect 1 run -n 2 -o t.json && says err -- --force
    [ ! -s t.json ] || fail "it was overwritten"
    expect 1 run -n 1 --budget 1s && says err 'nobody to talk to'
    expect 1 run -n 2 --budget 2s --set DISABLE=1 && says err 'not active'
    ;;
plan)
    if expect 0 run -n 4 --dry-run --budget 1h; then
        says out '^4 ranks'
        says out '^3 ranks'
        says out 'allreduce  *1[0-9] sizes'
        says out 'points to begin with'
    fi
    expect 0 run -n 4 --split 2 --dry-run --budget 1h --ranks 2,4 && says out '^2 nodes, 4 ranks: 2 nodes' && says out '^2 ranks'
    # Under somebody's own mpirun.
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -n 2 "$tune" run --dry-run bcast > out 2> err ||
        fail "under mpirun: $(cat out err)"
    says out '2 ranks: 1 node'
    [ -z "$(ls ./*.json ./*.csv 2> /dev/null)" ] || fail "a plan left files: $(ls)"
    ;;
*)
    fail "no case $case"
    ;;
esac
[ $failed = 0 ] && echo "all passed"
exit $failed
