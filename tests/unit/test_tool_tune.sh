#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `vcoll tune` without measuring: test_tool_tune.sh <vcoll>
vcoll=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

# Whoever runs the tests may have settings and tables of their own.
for v in $(env | sed -n 's/^\(VCOLL_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$v"; done
unset LD_PRELOAD
HOME=$dir XDG_CONFIG_HOME=$dir/config
export HOME XDG_CONFIG_HOME

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' "$dir/out" 2>/dev/null | head -n 8
    sed 's/^/    err: /' "$dir/err" 2>/dev/null | head -n 5
}

# expect <exit code> <words...>: runs vcoll tune in $dir; its output is in out and err.
expect() {
    want=$1
    shift
    (cd "$dir" && "$vcoll" tune "$@") >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "vcoll tune $*: exit code $got, not $want"
}
out_has() { grep -q -e "$1" "$dir/out" || fail "no \"$1\" on standard output of: $2"; }
out_lacks() { ! grep -q -e "$1" "$dir/out" || fail "\"$1\" on standard output of: $2"; }
err_has() { grep -q -e "$1" "$dir/err" || fail "no \"$1\" on standard error of: $2"; }
no_out() { [ ! -s "$dir/out" ] || fail "something on standard output of: $1"; }
no_err() { [ ! -s "$dir/err" ] || fail "something on standard error of: $1"; }
json() {
    command -v python3 >/dev/null || return 0
    python3 -m json.tool "$dir/out" >/dev/null || fail "not JSON: $1"
}
# py <what it is about> <<script: sees the output as j.
py() {
    command -v python3 >/dev/null || { cat >/dev/null; return 0; }
    { echo 'import json, sys; j = json.load(open(sys.argv[1]))'; cat; } >"$dir/check.py"
    python3 "$dir/check.py" "$dir/out" || fail "$1"
}

# candidate <choice> <microseconds> <rounds>
candidate() {
    printf '{"choice":"%s","rounds":%s,"dropped":false,"score":%se-6,"start":{"median":%se-6,"low":%se-6,' \
        "$1" "$3" "$2" "$2" "$2"
    printf '"high":%se-6,"p99":%se-6},"b2b":{"median":%se-6,"low":%se-6,"high":%se-6},"predicted":%se-6,' \
        "$2" "$2" "$2" "$2" "$2" "$2"
    printf '"ratio":{"median":1.5,"low":1.4,"high":1.6}}'
}
# point <collective> <bytes> <ranks> <chosen> <candidates>: on one node.
point() {
    printf '{"collective":"%s","bytes":%s,"ranks":%s,"nodes":1,"ppn":%s,"crowded":false,"bulk_slots":true,' \
        "$1" "$2" "$3" "$3"
    printf '"network":"mpi","platform":"native","device":"","operator":"commutative","chosen":"%s",' "$4"
    printf '"why":"fastest in both measures","candidates":[%s]}' "$5"
}

cat >"$dir/a.json" <<END
{"vcoll_table": 1,
 "provenance": {"vcoll": "0.0.9", "command": "vcoll tune run -n 4"},
 "rules": [
  {"collective": "allreduce", "ranks": 4, "nodes": 1, "bytes": [0, "64k"], "algorithm": "shm", "wait": "hybrid",
   "spin_us": 40, "measured": {"points": [8, 65536]}},
  {"collective": "allreduce", "ranks": 4, "nodes": 1, "bytes": [65537, null], "algorithm": "shm_cma"},
  {"collective": ["barrier", "bcast"], "ranks": 4, "nodes": 1, "algorithm": "shm"},
  {"collective": "allreduce", "ranks": [2, 8], "nodes": 2, "bytes": [0, "8k"], "algorithm": "two_level"},
  {"algorithm": "builtin"}],
 "devices": [{"ranks": [2, 8], "device": "rxe", "coalescing": {"rx-usecs": 0}}],
 "measured": [
  $(point allreduce 8 4 shm:wait=hybrid:spin=40 "$(candidate native 5.0 12),$(candidate shm:wait=hybrid:spin=40 2.1 12)"),
  $(point allreduce 65536 4 shm:wait=hybrid:spin=40 \
      "$(candidate native 24.0 12),$(candidate ring 15.0 9),$(candidate shm:wait=hybrid:spin=40 12.1 12)")],
 "moderation": [{"device": "rxe", "netdev": "eth1", "setting": "as found", "found": true, "chosen": true, "points": []}]}
END
cat >"$dir/b.json" <<END
{"vcoll_table": 1,
 "provenance": {"vcoll": "0.0.9"},
 "rules": [
  {"collective": "allreduce", "ranks": 4, "nodes": 1, "bytes": [0, "32k"], "algorithm": "shm", "wait": "hybrid",
   "spin_us": 40},
  {"collective": "allreduce", "ranks": 4, "nodes": 1, "bytes": [32769, "256k"], "algorithm": "ring",
   "measured": {"points": [65536]}},
  {"collective": "reduce", "ranks": [2, 16], "algorithm": "native"},
  {"algorithm": "builtin"}],
 "devices": [{"ranks": [2, 8], "device": "rxe", "coalescing": {"rx-usecs": 3}}],
 "measured": [$(point allreduce 65536 4 ring \
    "$(candidate native 24.0 20),$(candidate shm:wait=hybrid:spin=40 12.2 18),$(candidate ring 9.8 20)")]}
END
echo '{"vcoll_table": 1, "rules": [{"algorithm": "native"}]}' >"$dir/native.json"
echo '{"vcoll_table": 1, "rules": [{"collective": "bcast", "algorithm": "chian"}, {"algorithm": "native"}]}' >"$dir/bad.json"
printf '{"vcoll_table": 1,\n "rules": [{"collective": "bcast", ' >"$dir/cut.json"

# ---- words ----
expect 2
no_out "vcoll tune"; err_has Usage "vcoll tune"
expect 2 merg
no_out "vcoll tune merg"; err_has "did you mean merge" "vcoll tune merg"
expect 0 --help
for word in "tune run" explain VCOLL_TABLE= "tune check" "vcoll report" --resume; do
    out_has "$word" "vcoll tune --help"
done
for verb in "" validate explain dump merge diff; do
    # shellcheck disable=SC2086
    expect 0 $verb --help
    no_err "vcoll tune $verb --help"
    out_has "Exit status" "vcoll tune $verb --help"
    awk 'length > 80 { exit 1 }' "$dir/out" || fail "vcoll tune $verb --help is wider than a terminal"
done
for words in validate "validate --nonsense a.json" explain "explain a.json" "explain a.json allreduec" "explain a b bcast" \
    "explain bcast --bytes many" "explain bcast --operator other" "explain barrier --bytes 8" \
    "explain bcast --ranks 4 --nodes 8" "explain reduce --bytes 12 --esize 8" "explain bcast --platform cloud" \
    "dump a.json b.json" "merge a.json b.json" "merge a.json -o x.json" merge "diff a.json" diff "diff a b c"; do
    # shellcheck disable=SC2086
    expect 2 $words
    no_out "vcoll tune $words"
done
expect 2 explain a.json allreduec
err_has "did you mean allreduce" "vcoll tune explain allreduec"
err_has "scatterv" "all collectives in the list of vcoll tune explain allreduec"
expect 2 explain bcast --platform pasthrough
err_has "did you mean passthrough" "vcoll tune explain --platform"

# ---- validate ----
expect 0 validate a.json native.json
out_has "a.json: OK: 5 rows, 1 device row, fnv1a64:" "validate"
out_has "4 ranks, 1 node: allreduce 2, barrier 1, bcast 1\|4 ranks, 1 node: .*allreduce 2" "validate"
out_has "all else: builtin" "validate"
out_has 'warning: no "checksum"' "validate"
out_has "warning: measured with vcoll 0.0.9, this is" "validate"
out_has "native.json: OK: 1 row" "validate"
expect 0 validate b.json
out_has 'warning: rules\[1\]: allreduce ring does not take all calls that match (commutative' "validate"
VCOLL_COLLS=bcast
export VCOLL_COLLS
expect 0 validate a.json
out_has "warning: allreduce is switched off here by VCOLL_COLLS" "validate with VCOLL_COLLS"
out_lacks "warning: bcast is switched off" "validate with VCOLL_COLLS"
unset VCOLL_COLLS
expect 1 validate a.json bad.json
out_has "a.json: OK" "validate with a broken one"
err_has '^bad.json:1:[0-9]*: .*chian.*did you mean' "validate"
expect 1 validate cut.json
err_has '^cut.json:2:[0-9]*: ' "validate of a file cut off"
expect 1 validate missing.json
err_has "missing.json" "validate of nothing"
expect 1 validate --json a.json bad.json
json "validate --json"
py "validate --json" <<'END'
assert [t["valid"] for t in j] == [True, False]
assert j[0]["rows"] == 5 and j[0]["default"] == "builtin" and len(j[0]["warnings"]) >= 2 and j[0]["points"] == 2
assert {"where": "2..8 ranks, 2 nodes", "rows": {"allreduce": 1}} in j[0]["covers"]
assert j[1]["error"].startswith("bad.json:1:")
END

# ---- explain ----
here="--ranks 4 --nodes 1 --platform native --device none --network mpi --crowded=no"
# shellcheck disable=SC2086
{
    expect 0 explain a.json allreduce --bytes 64k $here
    no_err explain
    out_has "allreduce of 64k, 4 ranks on 1 node, commutative operator" explain
    out_has '^> a.json \[0\] .*shm:wait=hybrid:spin=40 .*taken' explain
    out_has "Runs: shm:wait=hybrid:spin=40" explain
    out_has "waits: hybrid, spinning for 40 us" explain
    out_has "Measured: 64k, 4 ranks on 1 node" explain
    out_has "^> shm:wait=hybrid:spin=40 *12.1 us .*winner" explain
    out_has "^  native *24.0 us" explain
    [ "$(sed -n '/95 %/,/> is what/p' "$dir/out" | awk 'NR == 2 { print $2 }')" = shm:wait=hybrid:spin=40 ] ||
        fail "candidates are not sorted"
    expect 0 explain a.json allreduce --bytes 128k $here
    out_has 'a.json \[0\] .*no: ' "explain of a size that a row excludes"
    out_has '^> a.json \[1\] .*shm_cma .*taken' "explain"
    out_has "Measured nearest to it: 64k" "explain of a size that was not measured"
    expect 0 explain b.json allreduce --bytes 64k --operator other $here
    out_has 'b.json \[1\] .*ring .*no: .*commutative' "explain of an operator that does not commute"
    out_has '^> built-in .*taken' "explain that falls back to the built-in rules"
    expect 0 explain a.json allgather --bytes 64 $here
    out_has '^> built-in .*taken' "explain of a collective the table does not have"
    out_has "Nothing was measured near" "explain"
    expect 0 explain native.json allgather --bytes 64 $here
    out_has '^> native.json \[0\] .*native .*taken' "explain with a native default"
    expect 0 explain a.json allreduce $here
    out_has "^  up to 64k *shm:wait=hybrid:spin=40 *a.json \[0\] *2.10 us at 8, native 5.00 us" "explain of all sizes"
    out_has "^  from 64k+1 *shm_cma" "explain of all sizes"
    # What was measured under a moderation counts when the table chooses that moderation, and else tells of the device.
    for chosen in true false; do
        sed -e 's/"why":/"moderation":"rx-usecs 125","why":/' \
            -e "s/\"setting\": \"as found\", \"found\": true, \"chosen\": true/\"setting\": \"rx-usecs 125\", \"chosen\": $chosen/" \
            "$dir/a.json" >"$dir/under.json"
        expect 0 explain under.json allreduce $here
        if $chosen; then
            out_has "^  up to 64k .*2.10 us at 8, native 5.00 us" "explain of points under the moderation chosen"
        else
            out_lacks "2.10 us" "explain of points under another moderation"
        fi
    done
    expect 0 explain a.json allreduce --json --bytes 64k $here
    json "explain --json"
    py "explain --json" <<'END'
assert j["runs"] == "shm:wait=hybrid:spin=40" and j["ranks"] == 4 and j["because"] is None
assert j["rows"][-1]["why_not"] is None and j["measured"]["bytes"] == 65536 and j["table"]["file"] == "a.json"
END
    expect 0 explain a.json allreduce --json $here
    py "explain --json of all sizes" <<'END'
assert [r["choice"] for r in j["ranges"]] == ["shm:wait=hybrid:spin=40", "shm_cma"]
assert j["ranges"][0]["bytes"] == [0, 65536] and j["ranges"][1]["bytes"] == [65537, None]
END
    VCOLL_ALG=allreduce=ring
    export VCOLL_ALG
    expect 0 explain a.json allreduce --bytes 64k $here
    out_has '^> VCOLL_ALG .*ring .*taken' "explain with VCOLL_ALG"
    unset VCOLL_ALG
    VCOLL_COLLS=bcast
    export VCOLL_COLLS
    expect 0 explain a.json allreduce --bytes 64k $here
    out_has "VCOLL_COLLS leaves this collective out" "explain with VCOLL_COLLS"
    out_has "Runs: native" "explain with VCOLL_COLLS"
    unset VCOLL_COLLS
}
expect 0 explain none allreduce --ranks 8 --nodes 2 --bytes 8
out_has "no table: the built-in rules" "explain none"
out_has "nodes is 2, the row wants" "explain none"
expect 0 explain barrier
out_has "Runs: " "explain of this machine"
expect 1 explain bad.json bcast
err_has "^bad.json:1:" "explain with a broken table"
VCOLL_TABLE=$dir/a.json
export VCOLL_TABLE
expect 0 explain bcast --bytes 8 --ranks 4
out_has '^> a.json \[2\] ' "explain with VCOLL_TABLE"
VCOLL_TABLE=$dir/none-such.json
expect 1 explain bcast
err_has "none-such.json" "explain with a VCOLL_TABLE that is not there"
unset VCOLL_TABLE
mkdir -p "$XDG_CONFIG_HOME/vcoll"
cp "$dir/a.json" "$XDG_CONFIG_HOME/vcoll/table.json"
expect 0 explain bcast --bytes 8 --ranks 4
out_has "table .*config/vcoll/table.json" "explain with a user's table"
expect 0 explain none bcast --bytes 8 --ranks 4
out_has "no table" "explain none"
rm -r "$XDG_CONFIG_HOME/vcoll"

# ---- dump, and that what it writes says the same ----
expect 0 dump a.json
out_has "Table a.json (fnv1a64:" dump
out_has "^  \[2\] *bcast *all sizes .*4 ranks, 1 node *shm" dump
out_has "Built-in rules" dump
out_has "rx-usecs 0" dump
expect 0 dump a.json --rules-only
out_lacks "rx-usecs" "dump --rules-only"
expect 0 dump native.json
out_lacks "Built-in rules" "dump of a table that leaves nothing to the built-in rules"
expect 0 dump none
out_has "dissemination" "dump none"
for table in a b native; do
    expect 0 dump --json $table.json
    json "dump --json"
    mv "$dir/out" "$dir/dumped.json"
    expect 0 validate dumped.json
    out_has "(checked)" "validate of a dumped table"
    expect 0 diff $table.json dumped.json
    no_out "diff of a table and its dump"
done
expect 0 dump --json --rules-only a.json
py "dump --json --rules-only" <<'END'
assert "measured" not in j and "provenance" not in j and "moderation" not in j and j["devices"] and len(j["rules"]) > 20
END
cp "$dir/out" "$dir/small.json"
expect 0 diff a.json small.json
expect 1 dump bad.json
err_has "^bad.json:1:" "dump of a broken table"
"$vcoll" tune dump none >/dev/full 2>"$dir/err" && fail "a full disk is success"

# ---- diff ----
expect 1 diff a.json b.json
out_has "^allreduce, 4 ranks, 1 node, 32k+1..64k, operator commutative: shm:wait=hybrid:spin=40 -> ring, measured 12.1 us -> 9.80 us at 64k" \
    diff
out_has "^reduce, .*: .* -> native" diff
out_has "^bcast, 4 ranks, 1 node, " diff
out_has "^devices, 2..8 ranks, 1 node, device rxe: .*rx-usecs 0 -> .*rx-usecs 3" diff
out_lacks "^alltoall" diff
expect 0 diff a.json a.json
no_out "diff of a table with itself"
expect 0 diff none none
expect 1 diff none native.json
out_has "dissemination.* -> native" "diff with the built-in rules"
expect 1 diff a.json b.json --json
json "diff --json"
py "diff --json" <<'END'
d = [x for x in j if x.get("collective") == "allreduce" and x["bytes"] == [32769, 65536] and x["operator"] == "commutative"]
assert len(d) == 1 and d[0]["choice"] == ["shm:wait=hybrid:spin=40", "ring"], d
assert abs(d[0]["median"][1] - 9.8e-6) < 1e-9
assert any("device" in x for x in j)
END
expect 0 diff --json a.json a.json
[ "$(cat "$dir/out")" = "[]" ] || fail "diff --json of a table with itself"
expect 2 diff a.json bad.json
err_has "^bad.json:1:" "diff with a broken table"
expect 2 diff a.json missing.json
# Other words, the same choices: a range in two parts.
more='{"collective": "allreduce", "ranks": 4, "nodes": 1, "bytes": [8193, 65536], "algorithm": "shm", "spin_us": 40, "wait": "hybrid"},'
sed "s/\"bytes\": \[0, \"64k\"\]/\"bytes\": [0, 8192]/; s/{\"collective\": \[\"barrier\", \"bcast\"\]/$more &/" "$dir/a.json" \
    >"$dir/a2.json"
expect 0 validate a2.json
out_has "OK: 6 rows" "validate"
expect 0 diff a.json a2.json

# ---- merge: what was measured ----
# tuned <name> <date> <points>: rules are made of the points, as the tuner makes them.
tuned() {
    printf '{"vcoll_table": 1, "provenance": {"date": "%s"}, "rules": [{"algorithm": "builtin"}], "measured": [%s]}' "$2" "$3" \
        >"$dir/$1"
    expect 0 merge "$1" none.json -o "$1" --force
}
echo '{"vcoll_table": 1, "rules": [{"algorithm": "builtin"}]}' >"$dir/none.json"
# obeyed <table> <tables...>: each point of the others is in the table, and each of the table gets its choice from the rules.
obeyed() {
    command -v python3 >/dev/null || return 0
    cat >"$dir/check.py" <<'END'
import json, subprocess, sys
vcoll, table, others = sys.argv[1], sys.argv[2], sys.argv[3:]
keys = ["ranks", "nodes", "ppn", "platform", "device", "network", "crowded", "bulk_slots"]
call = lambda p: tuple(p[k] for k in keys + ["collective", "bytes"])
points = {call(p): p for p in json.load(open(table))["measured"]}
for o in others:
    for p in json.load(open(o))["measured"]:
        assert call(p) in points, f"{o}: {call(p)} is lost"
for p in points.values():
    value = lambda k: {True: "yes", False: "no", "": "none"}.get(p[k], p[k]) if isinstance(p[k], (bool, str)) else p[k]
    words = [f"--{k.replace('_', '-')}={value(k)}" for k in keys if p[k] != "mixed"]
    out = subprocess.run([vcoll, "tune", "explain", table, p["collective"], "--json", f"--bytes={p['bytes']}", *words],
                         capture_output=True, text=True, check=True).stdout
    runs = json.loads(out)["runs"]
    assert p["platform"] == "mixed" or runs == p["chosen"], f"{call(p)} runs {runs}, not {p['chosen']}"
END
    (cd "$dir" && python3 check.py "$vcoll" "$@") >"$dir/out" 2>&1 || fail "points that a merged table loses: $*"
}
# far <point>: the same on two nodes. mixed <point>: the same where ranks' platforms differ.
far() { sed 's/"nodes":1,"ppn":[0-9]*/"nodes":2,"ppn":2/'; }
mixed() { sed 's/"platform":"native"/"platform":"mixed"/'; }
shm=$(candidate native 24.0 12),$(candidate shm 12.0 12)
ring=$(candidate native 24.0 20),$(candidate ring 9.8 20)
tuned four.json 2026-01-01T00:00:00Z "$(point allreduce 8 4 shm "$shm"),$(point allreduce 65536 4 shm "$shm"),
    $(point bcast 1024 4 shm "$shm"),$(point allreduce 8 4 two_level "$(candidate two_level 30.0 6)" | far)"
tuned again.json 2026-01-02T00:00:00Z "$(point allreduce 65536 4 ring "$ring"),$(point allreduce 1048576 4 native "$ring"),
    $(point allreduce 8 4 ring "$ring" | mixed),$(point bcast 1024 4 native "$shm")"
tuned more.json 2026-01-03T00:00:00Z "$(point allreduce 8 2 native "$shm"),$(point allreduce 8 9 ring "$ring"),
    $(point allreduce 8 3 ring "$(candidate ring 9.0 6)" | far)"
obeyed four.json
expect 0 merge four.json again.json more.json -o m.json
no_err merge
out_has "conflict: allreduce, 4 ranks on 1 node, 64k: four.json says shm (12.0 us, 12 rounds), again.json says ring (9.80 us, 20 rounds); kept again.json, measured with more rounds" \
    merge
out_has "conflict: bcast, 4 ranks on 1 node, 1k: four.json says shm (12.0 us, 12 rounds), again.json says native (24.0 us, 12 rounds); kept again.json, the newer table" \
    merge
out_has "m.json: 3 tables, .*0 device rows, 9 measured points, 2 conflicts" merge
out_lacks dropped merge
expect 0 validate m.json
out_has "(checked)" "validate of a merged table"
cp "$dir/m.json" "$dir/out"
json "a merged table"
py "a merged table" <<'END'
assert [s["file"] for s in j["provenance"]["sources"]] == ["four.json", "none.json", "again.json", "none.json", "more.json", "none.json"]
assert j["provenance"]["date"].endswith("Z") and j["rules"][-1] == {"algorithm": "builtin"}
assert sum(set(r) == {"algorithm"} for r in j["rules"]) == 1
# Ranges of ranks meet in the middle between what was measured.
assert sorted({tuple(r["ranks"]) for r in j["rules"] if r.get("collective") == "allreduce" and r["nodes"] == 1 and "platform" in r}) \
    == [(2, 2), (3, 6), (7, 18)], j["rules"]
END
obeyed m.json four.json again.json more.json
# The order in which tables are named does not matter, nor how often, nor whether some were merged before.
for words in "more.json again.json four.json" "again.json four.json more.json" "m.json m.json" "four.json again.json m.json more.json"; do
    # shellcheck disable=SC2086
    expect 0 merge $words -o m2.json --force
    expect 0 diff m.json m2.json
done
expect 0 merge four.json four.json -o m2.json --force
out_has " 0 conflicts" "merge of a table with itself"
expect 0 diff four.json m2.json
# Entries that are no points are kept.
sed 's/"chosen":"shm"/"chosen":"of another version"/' "$dir/four.json" | grep -v checksum >"$dir/odd.json"
expect 0 merge odd.json more.json -o m2.json --force
cp "$dir/m2.json" "$dir/out"
py "points of another version" <<'END'
assert sum(p["chosen"] == "of another version" for p in j["measured"]) == 3 and len(j["measured"]) == 7
END

# A node alone: what lies between nodes does not matter to it, and its rules do not ask for it. One choice must do for both.
node='"collective": "allreduce", "bytes": 1024, "ranks": 4, "nodes": 1, "ppn": 4, "platform": "native", "crowded": false, "bulk_slots": true'
for device in rxe mlx5; do
    choice=ring rounds=12 network=verbs
    [ $device = rxe ] || choice=recursive_doubling rounds=20 network=mpi
    tuned $device.json 2026-01-01 "{$node, \"device\": \"$device\", \"network\": \"$network\", \"chosen\": \"$choice\", \"candidates\":
        [{\"choice\": \"$choice\", \"rounds\": $rounds, \"start\": {\"median\": 1e-5}}]}"
done
for words in "rxe.json mlx5.json" "mlx5.json rxe.json"; do
    # shellcheck disable=SC2086
    expect 0 merge $words -o node.json --force
    out_has "conflict: allreduce, 4 ranks on 1 node, 1k: rxe.json says ring .*; kept mlx5.json, measured with more rounds" merge
    out_has "2 measured points, 1 conflict" merge
    cp "$dir/node.json" "$dir/out"
    py "a merged table" <<'END'
assert [r["algorithm"] for r in j["rules"]] == ["recursive_doubling", "builtin"], j["rules"]
assert sorted(p["device"] for p in j["measured"]) == ["mlx5", "rxe"]
END
done
# Rows of a tuned table that do not say what its points say were written by hand, and stay.
tuned own.json 2026-01-01 "{$node, \"device\": \"\", \"network\": \"mpi\", \"chosen\": \"ring\", \"candidates\":
    [{\"choice\": \"ring\", \"rounds\": 12, \"start\": {\"median\": 1e-5}}]}"
sed 's/"algorithm": *"ring"/"algorithm": "two_level"/' "$dir/own.json" | sed '/"checksum"/d' >"$dir/edited.json"
expect 0 merge edited.json none.json -o node.json --force
out_has "conflict: allreduce, .*: edited.json says two_level.*, measured points says ring; kept measured points$" "merge of an edited row"
cp "$dir/node.json" "$dir/out"
py "a merged table" <<'END'
assert [r["algorithm"] for r in j["rules"]] == ["ring", "two_level", "builtin"], j["rules"]
END

# ---- merge: rows that were written by hand, or whose points are not there ----
expect 0 merge a.json b.json -o m.json --force
no_err merge
out_has "conflict: allreduce, 4 ranks on 1 node, 64k: a.json says shm:.* (12.1 us, 12 rounds), b.json says ring (9.80 us, 20 rounds); kept b.json, measured with more rounds" \
    merge
out_has "conflict: devices, 2..8 ranks, device rxe: a.json says .*rx-usecs 0; kept .*rx-usecs 3, of a later table" merge
out_has "m.json: 2 tables, .*1 device row, 2 measured points, 2 conflicts" merge
cp "$dir/m.json" "$dir/out"
py "a merged table" <<'END'
assert j["devices"] == [{"ranks": [2, 8], "device": "rxe", "coalescing": {"rx-usecs": 3}}]
assert len(j["moderation"]) == 1
# What was measured comes first, then what was written by hand, of the later table first.
what = ["measured" in r for r in j["rules"]]
assert what == sorted(what, reverse=True) and sum(what) == 2, what
hand = [(r["collective"], r["algorithm"]) for r in j["rules"] if "measured" not in r and "collective" in r]
assert hand == [("allreduce", "shm"), ("reduce", "native"), ("allreduce", "shm_cma"), (["barrier", "bcast"], "shm"),
                ("allreduce", "two_level")], hand
END
expect 1 diff b.json m.json
out_lacks "^reduce" "diff of a merged table"
expect 0 explain m.json allreduce --ranks 4 --bytes 128k --operator other
out_has "^> m.json .*shm_cma .*taken" "explain of a merged table"
expect 0 merge m.json m.json -o mm.json
expect 0 diff m.json mm.json
# Many generations do not nest ever deeper.
for _ in 1 2 3 4 5 6; do
    expect 0 merge mm.json a.json -o mm.json --force
done
expect 0 validate mm.json
# Other default rows, and rows that the other table leaves out of reach.
expect 0 merge native.json a.json -o n.json
out_has "conflict: default row: .*native.*builtin" "merge of different default rows"
cat >"$dir/wide.json" <<'END'
{"vcoll_table": 1, "rules": [
  {"collective": "bcast", "ranks": [2, 64], "bytes": [0, 512], "algorithm": "chain"},
  {"collective": "bcast", "bytes": [0, "1k"], "algorithm": "binomial"},
  {"algorithm": "builtin"}]}
END
echo '{"vcoll_table": 1, "rules": [{"collective": "bcast", "bytes": [0, "1k"], "algorithm": "native"}, {"algorithm": "builtin"}]}' \
    >"$dir/small.json"
expect 0 merge wide.json small.json -o n.json --force
out_has "conflict: bcast, anywhere, up to 1k: wide.json says binomial, small.json says native; kept small.json, the later table" merge
out_has "dropped: bcast, 2..64 ranks, up to 512: chain of wide.json; a row of small.json (bcast, anywhere, up to 1k: native)" \
    merge
expect 0 diff n.json small.json
expect 0 merge small.json wide.json -o n.json --force
out_has "conflict: .*kept wide.json, the later table" merge
# Existing files, broken ones, folders that are not there.
before=$(cat "$dir/m.json")
expect 1 merge a.json b.json -o m.json
err_has "m.json exists; --force" "merge over a file"
expect 1 merge a.json bad.json -o m.json --force
err_has "^bad.json:1:" "merge with a broken table"
[ "$before" = "$(cat "$dir/m.json")" ] || fail "a merge that failed has changed its output"
expect 0 merge a.json b.json -o m.json --force
expect 1 merge a.json b.json -o no/such/folder.json
err_has "no/such/folder.json" "merge into a folder that is not there"
for left in "$dir"/m.json.* "$dir"/*.json.??????; do
    [ ! -e "$left" ] || fail "$left was left behind"
done

# ---- what measures is vcoll-tune's ----
mkdir -p "$dir/tree/bin" "$dir/tree/libexec/vcoll"
cp "$vcoll" "$dir/tree/bin/vcoll"
vcoll=$dir/tree/bin/vcoll
expect 127 run
err_has "vcoll-tune is neither" "vcoll tune run without vcoll-tune"
# shellcheck disable=SC2016
printf '#!/bin/sh\nfor word; do echo "[$word]"; done\nexit 9\n' >"$dir/tree/libexec/vcoll/vcoll-tune"
expect 126 check
chmod +x "$dir/tree/libexec/vcoll/vcoll-tune"
words_are() {
    printf '[%s]\n' "$@" | cmp -s - "$dir/out" || fail "vcoll-tune got other words than: $*"
}
expect 9 run -n 4 --budget 10m "two words"
words_are run -n 4 --budget 10m "two words"
expect 9 check --json
words_are check --json
expect 9 validate --measure t.json -n 4
words_are remeasure t.json -n 4
expect 9 validate t.json --help --measure
words_are remeasure t.json --help
mv "$dir/tree/libexec/vcoll/vcoll-tune" "$dir/tree/bin/"
expect 9 run
words_are run

[ "$failures" = 0 ] || {
    echo "$failures failures"
    exit 1
}
echo "all good"
