#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What `vcoll info` says of the verbs channel: its cost for a job, and what it would use here.
# test_tool_cost.sh <vcoll> [the loopback verbs device's library]
vcoll=$1
loopback=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

for v in $(env | sed -n 's/^\(VCOLL_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$v"; done
unset LD_PRELOAD
HOME=$dir XDG_CONFIG_HOME=$dir
export HOME XDG_CONFIG_HOME

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' "$dir/out" 2>/dev/null | head -n 8
    sed 's/^/    err: /' "$dir/err" 2>/dev/null | head -n 8
}

# expect <exit code> <words after info...>
expect() {
    want=$1
    shift
    timeout 100 "$vcoll" info "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "vcoll info $*: exit code $got, not $want"
}
# refused <what standard error must say> <words...>
refused() {
    text=$1
    shift
    expect 2 "$@"
    [ ! -s "$dir/out" ] || fail "something on standard output of: $*"
    grep -q -e "$text" "$dir/err" || fail "no \"$text\" on standard error of: $*"
}

# ---- words ----
refused "2..16384" --cost -n 1
refused "2..16384" --cost -n 16385
refused "2..16384" --cost -n 12x
refused "2..16384" --cost -n -4
refused "1..16384" --cost --ppn 0
refused "1..16384" --cost --ppn ""
refused "belong to --cost" -n 8
refused "belong to --cost" --params --ppn 8
refused "only" --cost --platform
refused "only" --params --cost
refused "need --params" --cost --man
refused "not an option" --cost 64
refused "requires an argument" --cost -n

# ---- for people ----
expect 0 --cost -n 64 --ppn 4
[ ! -s "$dir/err" ] || fail "something on standard error of: --cost"
for text in "64 ranks, 4 on each of 16 nodes" "^  barrier .* two_level  *[0-9]*$" "^  alltoall " "queue pairs" "registered"; do
    grep -q -e "$text" "$dir/out" || fail "no \"$text\" in: --cost -n 64 --ppn 4"
done
expect 0 --cost -n 7 --ppn 4
grep -q "fewer on the last" "$dir/out" || fail "7 ranks fill two nodes of 4"
expect 0 --cost --ppn 2
grep -q "collective .*16 .*64 .*256 .*1024 .*4096$" "$dir/out" || fail "no table over the number of ranks"
awk 'length > 110 { exit 1 }' "$dir/out" || fail "the table is too wide"
grep -q "^  reduce_scatter_block  *native  *- " "$dir/out" || fail "names of the table run into each other"
grep -q "VCOLL_VERBS_PEERS" "$dir/out" && fail "a limit is told where there is none"
"$vcoll" info --cost -n 4 >/dev/full 2>"$dir/err" && fail "a full disk is success"
"$vcoll" info --cost -n 4 --json >/dev/full 2>"$dir/err" && fail "a full disk is success, as JSON"
VCOLL_VERBS_SLOT=7
export VCOLL_VERBS_SLOT
expect 1 --cost -n 4
grep -q "VCOLL_VERBS_SLOT=7: .*1k..1m" "$dir/err" || fail "a bad setting is not told"
unset VCOLL_VERBS_SLOT
VCOLL_VERBS_PEERS=4
export VCOLL_VERBS_PEERS
expect 0 --cost -n 64
grep -q "^  at once (VCOLL_VERBS_PEERS)  *4$" "$dir/out" || fail "the limit is not heeded: -n 64"
expect 0 --cost --ppn 2
grep -q "^  at once (VCOLL_VERBS_PEERS) .* 4  *4$" "$dir/out" || fail "the limit is not heeded"
unset VCOLL_VERBS_PEERS

# ---- the numbers ----
if command -v python3 >/dev/null; then
    python3 - "$vcoll" <<'EOF' || fail "vcoll info --cost --json is not what it should be"
import json, math, os, subprocess, sys

def cost(words, **settings):
    env = dict(os.environ, **{"VCOLL_" + k: v for k, v in settings.items()})
    out = subprocess.run([sys.argv[1], "info", "--cost", "--json"] + words.split(), env=env, check=True,
                         capture_output=True, timeout=100)
    assert out.stderr == b"", out.stderr
    return json.loads(out.stdout)["cost"]

def by_coll(job):
    rows = {}
    for r in job["algorithms"]:
        rows.setdefault(r["collective"], []).append(r)
    return rows

# Ranges of sizes of a collective follow each other without a gap.
job, = cost("-n 64 --ppn 4")
assert (job["ranks"], job["ranks_per_node"], job["nodes"]) == (64, 4, 16)
rows = by_coll(job)
assert set(rows) >= {"barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"}
for coll, list_ in rows.items():
    at = 0
    for r in (r for r in list_ if not r["noncommutative"]):
        assert r["from_bytes"] == at, (coll, r)
        at = r["to_bytes"] and r["to_bytes"] + 1
    assert at is None, coll
extra = job["private_bytes"] - job["queue_pairs"] * job["private_bytes_per_queue_pair"]
assert extra > 0 and extra % job["ranks"] == 0

# Log-step algorithms need log2 of the ranks (twice where both directions differ), a ring two, everybody all.
logs = "barrier=dissemination,bcast=binomial,reduce=binomial,allreduce=recursive_doubling,allgather=bruck,alltoall="
exact = {"bcast": 1, "reduce": 1, "allreduce": 1}
for p in (2, 16, 64, 100, 512, 1024, 2000):
    log = math.ceil(math.log2(p))
    # A Bruck alltoall moves every block: from some hundreds of ranks on its plan is too long, and refused.
    job, = cost(f"-n {p}", ALG=logs + ("bruck" if p <= 512 else "native"))
    for r in (r for r in job["algorithms"] if not r["noncommutative"]):
        assert r["algorithm"] == "native" or 1 <= r["queue_pairs"] <= 2 * log, (p, r)
        if r["collective"] in exact and p & (p - 1) == 0:
            assert r["queue_pairs"] == log, (p, r)
    assert job["queue_pairs"] <= 4 * log, job
    job, = cost(f"-n {p}", ALG="allgather=ring,alltoall=pairwise")
    rows = by_coll(job)
    assert rows["allgather"][0]["queue_pairs"] == min(2, p - 1), rows["allgather"]
    assert rows["alltoall"][0]["queue_pairs"] == p - 1, rows["alltoall"]
    assert job["queue_pairs"] == p - 1

# What is in one node's shared memory needs none; without shared memory each rank is alone.
job, = cost("-n 8 --ppn 8", ALG="alltoall=pairwise")
assert job["queue_pairs"] == 0 and job["private_bytes"] < 1000
job, = cost("-n 8 --ppn 8", ALG="alltoall=pairwise", CHANNELS="verbs,mpi")
assert job["queue_pairs"] == 7
job, = cost("-n 12 --ppn 4", ALG="alltoall=pairwise")
assert by_coll(job)["alltoall"][0]["queue_pairs"] == 8

# No more are open at once than the setting allows; the others keep less.
free, = cost("-n 64", ALG="alltoall=pairwise")
assert free["queue_pairs_at_once"] == free["queue_pairs"] == 63
few, = cost("-n 64", ALG="alltoall=pairwise", VERBS_PEERS="8")
assert few["queue_pairs"] == 63 and few["queue_pairs_at_once"] == 8, few
per, less = few["private_bytes_per_queue_pair"], few["private_bytes_per_closed_connection"]
assert 0 < less < per and free["private_bytes"] - few["private_bytes"] == 55 * (per - less)
many, = cost("-n 64", ALG="alltoall=pairwise", VERBS_PEERS="100")
assert many == free

# Native needs none of vcoll's.
job, = cost("-n 16", ALG="bcast=native")
assert all(r["queue_pairs"] is None for r in by_coll(job)["bcast"])

# The usual sizes: what all but alltoall need grows like the logarithm, and so does what is registered.
for ppn in (1, 8):
    jobs = cost(f"--ppn {ppn}")
    assert [j["ranks"] for j in jobs] == [16, 64, 256, 1024, 4096]
    for j in jobs:
        assert j["queue_pairs_without_alltoall"] <= 5 * math.ceil(math.log2(max(2, j["nodes"]))) + 4, j
        assert j["queue_pairs"] < j["ranks"], j
    assert jobs[-1]["registered_bytes"] < 4 * jobs[0]["registered_bytes"]
small, = cost("-n 64", VERBS_SLOT="4k")
large, = cost("-n 64", VERBS_SLOT="64k")
assert large["registered_bytes"] > 8 * small["registered_bytes"]
EOF

    # ---- what it would use ----
    expect 0 --json --platform
    python3 - "$dir/out" <<'EOF' || fail "the verbs part of vcoll info --json is not what it should be"
import json, sys
v = json.load(open(sys.argv[1]))["verbs"]
assert (v["device"] is None) == (v["error"] is not None)
assert v["library"] == "libibverbs.so.1" and v["wanted"] is True
assert v["locked_memory"]["needed"] > 0 and isinstance(v["registration_cache"]["works"], bool)
assert v["registration_cache"]["works"] != bool(v["registration_cache"]["reason"])
EOF
fi
VCOLL_VERBS_LIBRARY=/no/such.so VCOLL_CHANNELS=shm,mpi VCOLL_VERBS_REG_CACHE=0
export VCOLL_VERBS_LIBRARY VCOLL_CHANNELS VCOLL_VERBS_REG_CACHE
expect 0 --platform
for text in "Verbs channel (/no/such.so)" "VCOLL_CHANNELS has no verbs" "not usable .*/no/such.so" "VCOLL_VERBS_REG_CACHE"; do
    grep -q -e "$text" "$dir/out" || fail "no \"$text\" in: vcoll info --platform"
done
unset VCOLL_CHANNELS VCOLL_VERBS_REG_CACHE

# ---- over made-up devices ----
if [ -n "$loopback" ]; then
    VCOLL_VERBS_LIBRARY=$loopback VC_LOOPBACK_FABRIC=$dir/fabric
    export VCOLL_VERBS_LIBRARY VC_LOOPBACK_FABRIC
    # device <VC_LOOPBACK> <what must be said...>
    device() {
        VC_LOOPBACK=$1
        export VC_LOOPBACK
        shift
        expect 0 --platform
        for text; do
            grep -q -e "$text" "$dir/out" || fail "no \"$text\" in vcoll info with VC_LOOPBACK=$VC_LOOPBACK"
        done
    }
    device devices=2 "chosen .*loop0 port 1, RoCE, MTU 4096" "GID 3: ::ffff:10.77.0.1 (RoCE v2)" \
        "passed over .*loop1 port 1: no nearer than loop0" "up to 65535 completions, 4095 us"
    device link=ib,cqmod=0,mtu=2048 "InfiniBand, MTU 2048" "LID 17" "P_Key .*0xffff, entry 1" \
        "moderation .*unsupported by the device"
    device gids=none "not usable .*loop0 port 1 (Ethernet) has no GID"
    grep -q "passed over" "$dir/out" && fail "the only device is told twice"
    VCOLL_VERBS_DEVICE=loop7
    export VCOLL_VERBS_DEVICE
    device devices=2 "VCOLL_VERBS_DEVICE=loop7: no such RDMA device; found: loop0, loop1"
    [ ! -e "$dir/fabric" ] || fail "a device was left open"
fi

[ "$failures" = 0 ] || {
    echo "$failures failures"
    exit 1
}
echo "all good"
