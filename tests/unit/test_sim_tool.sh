#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `vcoll sim`: its words, errors, JSON and picture. test_sim_tool.sh <vcoll> <a table>
vcoll=$1
table=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

for v in $(env | sed -n 's/^\(VCOLL_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$v"; done
unset LD_PRELOAD
HOME=$dir XDG_CONFIG_HOME=$dir XDG_CACHE_HOME=$dir XDG_RUNTIME_DIR=$dir
export HOME XDG_CONFIG_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' "$dir/out" 2>/dev/null | head -n 8
    sed 's/^/    err: /' "$dir/err" 2>/dev/null | head -n 8
}

# expect <exit code> <words after sim...>
expect() {
    want=$1
    shift
    timeout 50 "$vcoll" sim "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "vcoll sim $*: exit code $got, not $want"
}
# refused <exit code> <what standard error must say> <words...>
refused() {
    want=$1 text=$2
    shift 2
    expect "$want" "$@"
    [ ! -s "$dir/out" ] || fail "something on standard output of: $*"
    grep -q -e "$text" "$dir/err" || fail "no \"$text\" on standard error of: $*"
}
out_has() { grep -q -e "$1" "$dir/out" || fail "no \"$1\" on standard output of: $2"; }
# says <what jq prints> <filter>: of the JSON of the last run. From jq 1.7 on 3.0 stays 3.0.
says() {
    got=$(jq -r "$2" "$dir/out" 2>&1 | sed 's/\([0-9]\)\.0\([^0-9]\|$\)/\1\2/g') || true
    [ "$got" = "$1" ] || fail "jq '$2' says $got, not $1"
}

# ---- words ----
refused 2 Usage
refused 2 "did you mean node" nod
refused 2 "unrecognized" node --nonsense
refused 2 "needs quotes" node --topology numa:2 core:4
refused 2 "numa, l3, core, in this order" node --topology "core:2 l3:4"
refused 2 "numa:2 l3:4 core:8" node --topology "socket:2"
refused 2 "nothing is measured" node --topology measure
refused 2 "give --ranks" node --topology "numa:2 l3:8"
for n in 1 0 -4 2049 12x ""; do
    refused 2 "2..2048" node --ranks "$n"
done
refused 2 "is none of barrier" node --collective allreduce,nonsense
refused 2 "number of bytes" node --sizes 8,ten
refused 2 "number of bytes" node --sizes 0
refused 2 "number of bytes" node --sizes 2G
refused 2 "empty list" node --sizes ","
refused 2 "did you mean node.copy" node --set node.cope=1e-9
refused 2 "NAME=VALUE" node --set node.copy
refused 2 "not a number" node --set node.copy=fast
refused 2 "0..1e+06" node --set node.copy=-1
refused 2 "core, cache, numa or node" node --line l3=5
refused 2 "core, cache, numa or node" node --line numa=0
refused 2 "core, cache, numa or node" node --link node
refused 1 "no-such-table" node --table "$dir/no-such-table.json"
refused 1 "cannot write" node --plot "$dir/no/such/folder.svg"
for words in "--help" "node --help"; do
    # shellcheck disable=SC2086
    expect 0 $words
    out_has Examples "$words"
    awk 'length > 80 { exit 1 }' "$dir/out" || fail "vcoll sim $words is wider than a terminal"
done

# ---- text ----
expect 0 node
out_has "this machine" node
out_has "not measured here" node
[ ! -s "$dir/err" ] || fail "something on standard error of: node"
expect 0 node --topology "numa:2 l3:4 core:8" --ranks 176
out_has "core 64 x 2..3, cache 8 x 16..24, numa 2 x 80..96; on 64 CPUs they take turns" "176 ranks"
out_has "tree  *\*" "176 ranks"
VCOLL_TOPOLOGY="l3:2 core:4" expect 0 node
out_has "VCOLL_TOPOLOGY" "a topology of the environment"

# ---- JSON ----
if command -v jq >/dev/null; then
    expect 0 node --topology "l3:2 core:2" --collective allreduce,alltoall,barrier --sizes 1k,8,8 --json
    says "1 node 4 null" '"\(.vcoll_sim) \(.form) \(.ranks) \(.figures.lines.core)"'
    says "built-in false published 23" '.figures | "\(.source) \(.changed) \(.lines.cache.source) \(.lines.cache.ns)"'
    says "allreduce 8,allreduce 1024,alltoall 8,alltoall 1024,barrier 0" \
        '[.points[] | "\(.collective) \(.bytes)"] | join(",")'
    says "4 8 4 2" '.points[0].ways | "\(.flat.lines.cache) \(.flat.lines.numa) \(.tree.lines.cache) \(.tree.lines.numa)"'
    says "flat shm 3" '.points[0] | "\(.takes) \(.algorithm) \(.ways.tree.flags)"'
    says "null null" '"\(.points[2].ways.tree) \(.points[4].ways.single_copy)"'
    expect 0 node --topology "l3:2 core:2" --line cache=5,numa=50 --link numa=10 --set node.base=1e-6 --json
    says "given 5 given 50 10 true" \
        '.figures | "\(.lines.cache.source) \(.lines.cache.ns) \(.lines.numa.source) \(.lines.numa.ns) \(.lines.numa.gb_per_s) \(.changed)"'
    jq '. + {model: {node: {base: 1e-7, flag: 2e-7, copy: 5e-11, reduce: 1e-10}}} | del(.checksum)' "$table" \
        >"$dir/model.json"
    expect 0 node --table "$dir/model.json" --ranks 4 --topology "l3:2 core:2" --json
    says table .figures.source
    says "50 null" '"\(.figures.copy * 1e12 | round) \(.points[1].ways.single_copy.us)"'
    # Measured levels: the machine, and what lines take there.
    jq '. + {levels: {processor: "p", cpus: 8, platform: "software", over: "0-7", cache: ["0-3", "4-7"],
        measured: {steps: [{groups: 2, within_ns: 60, next_ns: 240}]}}} | del(.checksum)' "$table" >"$dir/levels.json"
    expect 0 node --table "$dir/levels.json" --json
    says "8 the table's levels cache 2" '"\(.ranks) \(.topology_source) \(.levels[0].level) \(.levels[0].groups)"'
    says "30 table 120 table" \
        '.figures.lines | "\(.cache.ns) \(.cache.source) \(.numa.ns) \(.numa.source)"'
else
    echo "no jq: JSON is not looked at"
fi

# ---- picture ----
expect 0 node --topology "l3:4 core:8" --plot "$dir/plot.svg" --sizes 8,1k,64k
if ! grep -q "<svg" "$dir/plot.svg" || ! grep -q "single copy" "$dir/plot.svg"; then
    fail "the picture lacks something"
fi

# ---- clusters ----
refused 2 "nodes is missing" cluster
refused 2 "more than 65536 ranks" cluster --nodes 65536 --ppn 2
refused 2 "nobody to talk to" cluster --nodes 1
refused 2 "neither verbs nor mpi" cluster --nodes 2 --network tcp
refused 2 "compare" cluster --nodes 4 --collective allreduce --compare rong
refused 2 "RATE:US" cluster --nodes 4 --noise 100
refused 2 "0.9 of the time" cluster --nodes 4 --noise 1000:1000
refused 2 "has measured none" cluster --nodes 4 --noise table
refused 2 "noise is missing" cluster --nodes 4 --objective tail
expect 0 cluster --nodes 16 --collective allreduce --sizes 8 --noise 1000:5 --runs 20
out_has "noise delays .* least" "noise in a cluster"
refused 1 "cannot write" cluster --nodes 4 --collective barrier --tune "$dir/none/table.json"
expect 0 cluster --nodes 65536 --collective alltoall --sizes 8 --compare pairwise
out_has "pairwise .* 131326 .* 65535" "alltoall of 65536 ranks"
expect 0 cluster --nodes 16 --collective barrier --parameters
out_has "dissemination:radix=8" "radices"
expect 0 cluster --nodes 8,16 --ppn 4 --collective allreduce,barrier --sizes 8,1m --plot "$dir/cluster.svg" \
    --tune "$dir/tuned.json"
out_has "allreduce 1m, 16 nodes of 4 ranks" cluster
grep -q "<svg" "$dir/cluster.svg" || fail "no picture of clusters"
"$vcoll" tune validate "$dir/tuned.json" >"$dir/out" 2>&1 || fail "the table of --tune is not valid"
"$vcoll" report "$dir/tuned.json" -o "$dir/page.html" >"$dir/out" 2>&1 || fail "no report of simulated rules"
grep -q "allreduce, 16 nodes of 4 ranks: predicted" "$dir/page.html" || fail "the report lacks simulated cells"
if command -v jq >/dev/null; then
    # What the rules say stays, and they may say something else between two sizes: there is no rule for it.
    jq -e '.provenance.simulated.rules == [] and .rules == [{"algorithm": "builtin"}]' "$dir/tuned.json" >"$dir/out" ||
        fail "a rule that gains nothing"
    expect 0 cluster --nodes 8,64 --ppn 4 --collective allreduce,barrier --sizes 8,1m --latency 20 --overhead 0.01 \
        --tune "$dir/tuned.json"
    jq -e '.provenance.simulated.rules == [0, (.rules | length) - 2] and (.rules | length) > 1 and .rules[-1].algorithm == "builtin"' \
        "$dir/tuned.json" >"$dir/out" || fail "simulated rules are not marked"
    "$vcoll" tune validate "$dir/tuned.json" >"$dir/out" 2>&1 || fail "a table with simulated rules is not valid"
    expect 0 cluster --nodes 16 --ppn 2 --collective allreduce --sizes 64k --latency 3 --bandwidth 1 \
        --compare ring,two_level_multi:leaders=2 --json
    says "given" .figures.between
    # --tune looks at radices and segments, too.
    expect 0 cluster --nodes 64 --collective bcast --sizes 1m --parameters --json
    jq '.points[0].ways[0].us' "$dir/out" >"$dir/best"
    expect 0 cluster --nodes 64 --collective bcast --sizes 1m --json --tune "$dir/tuned.json"
    jq '.provenance.simulated.points[0].ways[0].us' "$dir/tuned.json" >"$dir/tuned"
    cmp -s "$dir/best" "$dir/tuned" || fail "--tune does not look at segments: $(cat "$dir/best" "$dir/tuned")"
    expect 0 cluster --nodes 64 --collective bcast --sizes 1m --json
    jq -e --slurpfile best "$dir/best" '.points[0].ways[0].us > $best[0]' "$dir/out" >"$dir/tuned" || fail "no segment makes a difference"
    # Noise: the same seed gives the same times.
    expect 0 cluster --nodes 16 --collective allreduce --sizes 8 --noise 1000:5,10:1000 --runs 20 --json
    says "true true" '.points[0].ways[0].noise | "\(.mean_us > 0) \(.p99_us >= .median_us)"'
    cp "$dir/out" "$dir/first"
    expect 0 cluster --nodes 16 --collective allreduce --sizes 8 --noise 1000:5,10:1000 --runs 20 --json
    cmp -s "$dir/out" "$dir/first" || fail "noise differs from run to run"
    echo '{"vcoll_table": 1, "model": {"noise": [[2000, 1e-5]]}, "provenance": {"objective": "tail"},
           "rules": [{"algorithm": "builtin"}]}' >"$dir/noisy.json"
    expect 0 cluster --nodes 4 --ppn 2 --collective allreduce --sizes 8 --table "$dir/noisy.json" --runs 20 \
        --tune "$dir/tail.json"
    jq -e '.provenance.simulated.objective == "tail"' "$dir/tail.json" >"$dir/out" || fail "not tuned for the tail"
    # Rules that were measured come first.
    expect 0 cluster --nodes 4 --ppn 2 --collective allreduce --sizes 8 --table "$table" --tune "$dir/more.json"
    jq -e --slurpfile old "$table" '.rules[0] == $old[0].rules[0]' "$dir/more.json" >"$dir/out" ||
        fail "the table's rules do not come first"
fi

[ $failures = 0 ] && echo "all passed"
exit $failures
