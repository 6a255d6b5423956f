#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The vcoll command: test_tool.sh <vcoll> <source directory>
vcoll=$1
src=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

# Whoever runs the tests may have settings of their own.
for v in $(env | sed -n 's/^\(VCOLL_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$v"; done
unset LD_PRELOAD
# A sanitized build that is told to preload something must still start.
ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS
export ASAN_OPTIONS
HOME=$dir XDG_CONFIG_HOME=$dir
export HOME XDG_CONFIG_HOME

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' "$dir/out" 2>/dev/null | head -n 5
    sed 's/^/    err: /' "$dir/err" 2>/dev/null | head -n 5
}

# expect <exit code> <words...>: runs the command; its output is in out and err.
expect() {
    want=$1
    shift
    "$vcoll" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "vcoll $*: exit code $got, not $want"
}
out_has() { grep -q -e "$1" "$dir/out" || fail "no \"$1\" on standard output of: $2"; }
err_has() { grep -q -e "$1" "$dir/err" || fail "no \"$1\" on standard error of: $2"; }
no_out() { [ ! -s "$dir/out" ] || fail "something on standard output of: $1"; }
no_err() { [ ! -s "$dir/err" ] || fail "something on standard error of: $1"; }

# ---- words ----
expect 2
no_out "vcoll"; err_has Usage "vcoll"
expect 2 rnu
no_out "vcoll rnu"; err_has "did you mean run" "vcoll rnu"; err_has Usage "vcoll rnu"
expect 2 --nonsense
no_out "vcoll --nonsense"; err_has usage "vcoll --nonsense"
for command in tune report sim; do
    expect 2 $command
done
expect 0 --help
out_has "vcoll run -n 8" "vcoll --help"; no_err "vcoll --help"
awk 'length > 80 { exit 1 }' "$dir/out" || fail "vcoll --help is wider than a terminal"
expect 0 --version
version=$(sed -n 's/^#define VCOLL_VERSION_[MP][A-Z]* //p' "$src/include/vcoll/vcoll.h" | paste -sd.)
[ "$(cat "$dir/out")" = "vcoll $version" ] || fail "--version is not that of vcoll.h, $version"
expect 0 info --help
out_has "Examples" "vcoll info --help"
awk 'length > 80 { exit 1 }' "$dir/out" || fail "vcoll info --help is wider than a terminal"
for words in "info --nonsense" "info word" "info --json --man" "info --markdown" "info --man --params --platform"; do
    # shellcheck disable=SC2086
    expect 2 $words
    no_out "vcoll $words"; err_has usage "vcoll $words"
done

# ---- info ----
expect 0 info
no_err "vcoll info"
for word in Platform "CPUs for this process" "SR-IOV requirements" Topology "RDMA devices" MPI VCOLL_WAIT allreduce; do
    out_has "$word" "vcoll info"
done
grep -q "$(printf '\033')" "$dir/out" && fail "colors in a pipe"
expect 0 info --algorithms
out_has native "vcoll info --algorithms"
grep -q Platform "$dir/out" && fail "vcoll info --algorithms shows the platform"
VCOLL_WAIT=poll
export VCOLL_WAIT
expect 0 info --params
out_has "VCOLL_WAIT = poll .*environment; default auto" "vcoll info --params"
VCOLL_WAIT=pol
expect 1 info --params
err_has "error: VCOLL_WAIT=pol: .*did you mean poll.*hybrid" "vcoll info with a bad value"
unset VCOLL_WAIT
VCOLL_WIAT=poll
export VCOLL_WIAT
expect 0 info --params
err_has "warning: unknown setting VCOLL_WIAT, did you mean VCOLL_WAIT" "vcoll info with a typo"
VCOLL_STRICT=1
export VCOLL_STRICT
expect 1 info --params
err_has "error: .*VCOLL_WIAT" "vcoll info with a typo under VCOLL_STRICT"
unset VCOLL_WIAT VCOLL_STRICT
mkdir -p "$dir/vcoll"
echo "SPIN_US=7" >"$dir/vcoll/vcoll.conf"
expect 0 info --params
out_has "VCOLL_SPIN_US = 7 .*user file" "vcoll info with a user's file"
rm -r "$dir/vcoll"
"$vcoll" info >/dev/full 2>"$dir/err" && fail "a full disk is success"

if command -v python3 >/dev/null; then
    expect 0 info --json
    python3 - "$dir/out" <<'EOF' || fail "vcoll info --json is not what it should be"
import json, sys
j = json.load(open(sys.argv[1]))
keys = {"vcoll", "platform", "cpus", "sriov", "nics", "topology", "levels", "rdma", "mpi", "kernels", "parameters", "algorithms",
        "error", "warnings"}
assert keys <= set(j), keys - set(j)
assert j["platform"]["class"] in ("native", "software", "passthrough", "sriov-vf")
assert isinstance(j["platform"]["guest"], bool)
assert 0 < j["cpus"]["available"] <= j["cpus"]["allowed"]
assert [r["requirement"] for r in j["sriov"]] == ["iommu", "ari", "nic", "vfs"]
assert all(r["finding"] in ("found", "missing", "unknown") and r["reason"] for r in j["sriov"])
assert j["error"] is None and j["warnings"] == []
assert len(j["levels"]["above"]["boot_id"]) == 32 and set(j["levels"]["above"]) == {"boot_id", "shm", "host_id"}
assert j["levels"]["source"] == "kernel" and j["levels"]["cpus"] >= 0
assert set(j["levels"]["process"]) == set(j["levels"]["count"]) == {"core", "cache", "numa"}
names = [p["name"] for p in j["parameters"]]
assert names == sorted(names) and "VCOLL_WAIT" in names
assert all(p["origin"] == "default" and p["value"] == p["default"] and p["help"] for p in j["parameters"])
assert set(j["algorithms"]) >= {"barrier", "bcast", "reduce", "allreduce", "allgather", "alltoall"}
for algs in j["algorithms"].values():
    assert algs[0]["name"] == "native" and len({a["name"] for a in algs}) == len(algs)
EOF
    # What a table says of this machine comes before the kernel's word; of another machine it does not.
    cat >"$dir/levels.py" <<'EOF'
import json, sys
source, target, other = sys.argv[1:]
levels = json.load(open(source))["levels"]
levels = {k: levels[k] for k in ("processor", "cpus", "platform", "over")}
levels["numa"] = [levels["over"]]
if other == "other":
    levels["processor"] += " II"
json.dump({"vcoll_table": 1, "rules": [{"algorithm": "builtin"}], "levels": levels}, open(target, "w"))
EOF
    cp "$dir/out" "$dir/info"
    python3 "$dir/levels.py" "$dir/info" "$dir/levels.json" this
    VCOLL_HOST_ID=rack7 expect 0 info --platform
    out_has "host  *machines with VCOLL_HOST_ID=rack7 are on this host" "vcoll info with VCOLL_HOST_ID"
    VCOLL_TABLE="$dir/levels.json" expect 0 info --platform
    out_has "by  *the tuning table" "vcoll info with levels in a table"
    out_has "0 cores, 0 last caches, 1 NUMA node" "vcoll info with levels in a table"
    python3 "$dir/levels.py" "$dir/info" "$dir/levels.json" other
    VCOLL_TABLE="$dir/levels.json" expect 0 info --platform
    out_has "by  *the kernel" "vcoll info with another machine's levels"
    OMPI_COMM_WORLD_LOCAL_SIZE=8 OMPI_COMM_WORLD_LOCAL_RANK=5 VCOLL_TOPOLOGY="numa:2 l3:2 core:2" expect 0 info --platform
    out_has "core 5, last cache 2, NUMA node 1" "vcoll info with VCOLL_TOPOLOGY"
    out_has "8 ranks: cache 4 x 2, numa 2 x 4" "vcoll info with VCOLL_TOPOLOGY"
    expect 0 info --json --algorithms
    python3 -c 'import json,sys; assert set(json.load(open(sys.argv[1]))) == {"vcoll", "algorithms"}' "$dir/out" ||
        fail "vcoll info --json --algorithms shows more"
fi

# ---- docs say what the table says ----
expect 0 info --params --markdown
cmp -s "$dir/out" "$src/docs/parameters.md" ||
    fail "docs/parameters.md is old: vcoll info --params --markdown > docs/parameters.md"
expect 0 info --params --man
sed -n '/^\.\\" begin: vcoll info/,/^\.\\" end/p' "$src/docs/man/vcoll.7" | sed '1d;$d' >"$dir/man"
cmp -s "$dir/out" "$dir/man" ||
    fail "docs/man/vcoll.7 is old: put vcoll info --params --man between its begin and end"
if command -v groff >/dev/null; then
    for page in "$src"/docs/man/*.[17]; do
        [ -z "$(groff -man -ww -z "$page" 2>&1)" ] || fail "groff complains about $page"
    done
fi

# ---- run, with an mpirun that only tells ----
mkdir "$dir/bin" "$dir/a b"
cat >"$dir/bin/mpirun" <<'EOF'
#!/bin/sh
echo "preloaded into mpirun: $LD_PRELOAD"
for word; do echo "[$word]"; done
exit 42
EOF
chmod +x "$dir/bin/mpirun"
: >"$dir/lib.so"
cp "$dir/lib.so" "$dir/a b/lib.so"
# words_are <expected, one per line, without brackets>
words_are() {
    sed -n 's/^\[\(.*\)\]$/\1/p' "$dir/out" >"$dir/words"
    printf '%s\n' "$@" | cmp -s - "$dir/words" || fail "mpirun got other words than: $*"
}
old_path=$PATH
PATH=$dir/bin:$PATH
for words in "" "--vcoll-lib" "--vcoll-lib $dir/lib.so" "--vcoll-lib=$dir/lib.so"; do
    # shellcheck disable=SC2086
    expect 2 run $words
    no_out "vcoll run $words"; err_has Usage "vcoll run $words"
done
expect 0 run --help
out_has "vcoll run -n 8" "vcoll run --help"
lib=$dir/lib.so
expect 42 run --vcoll-lib "$lib" -n 2 ./app --help "two words" ''
words_are -x "LD_PRELOAD=$lib" -n 2 ./app --help "two words" ''
grep -q "mpirun: ." "$dir/out" && fail "the library was preloaded into mpirun"
expect 42 run "--vcoll-lib=$lib" --version
words_are -x "LD_PRELOAD=$lib" --version
VCOLL_WAIT=poll VCOLL_COLLS=
export VCOLL_WAIT VCOLL_COLLS
expect 42 run --vcoll-lib "$lib" ./a : -n 2 ./b
sed -n 's/^\[\(.*\)\]$/\1/p' "$dir/out" >"$dir/words"
for name in VCOLL_WAIT VCOLL_COLLS; do
    [ "$(grep -c "^$name$" "$dir/words")" = 2 ] || fail "$name does not reach both programs"
done
[ "$(grep -c "^LD_PRELOAD=$lib$" "$dir/words")" = 2 ] || fail "the library does not reach both programs"
unset VCOLL_WAIT VCOLL_COLLS
expect 42 run --vcoll-lib "$lib" -x A=1 -x LD_PRELOAD=/x/y.so ./app
words_are -x "LD_PRELOAD=/x/y.so:$lib" -x A=1 ./app
expect 42 run --vcoll-lib "$lib" -x LD_PRELOAD=/x/a.so -x A=1 -x LD_PRELOAD=/x/b.so:/x/c.so ./app
words_are -x "LD_PRELOAD=/x/b.so:/x/c.so:$lib" -x A=1 ./app
LD_PRELOAD=libm.so.6
export LD_PRELOAD
expect 42 run --vcoll-lib "$lib" ./app
words_are -x "LD_PRELOAD=libm.so.6:$lib" ./app
expect 42 run --vcoll-lib "$lib" -x LD_PRELOAD ./app
words_are -x "LD_PRELOAD=libm.so.6:$lib" ./app
unset LD_PRELOAD
# Files that are no programs, or broken ones, are no reason for anything.
printf '\177ELF\002\001\001' >"$dir/short"
head -c 3000 "$vcoll" >"$dir/cut"
chmod +x "$dir/short" "$dir/cut"
expect 42 run --vcoll-lib "$lib" "$dir/short" "$dir/cut" "$dir" /bin/sh ''
words_are -x "LD_PRELOAD=$lib" "$dir/short" "$dir/cut" "$dir" /bin/sh ''
expect 126 run --vcoll-lib /no/such.so ./app
err_has "/no/such.so" "vcoll run with a library that is not there"
expect 126 run --vcoll-lib "$dir" ./app
expect 126 run --vcoll-lib "$dir/a b/lib.so" ./app
err_has "cannot be preloaded" "vcoll run with a blank in the library's path"
PATH=$dir/empty "$vcoll" run --vcoll-lib "$lib" ./app >"$dir/out" 2>"$dir/err"
[ $? = 127 ] || fail "vcoll run without mpirun is not 127"
err_has "mpirun is not in PATH" "vcoll run without mpirun"

# ---- finding things from where the command lies: installed, and in a build tree ----
for place in lib pmpi; do
    mkdir -p "$dir/$place-tree/bin" "$dir/$place-tree/$place"
    cp "$vcoll" "$dir/$place-tree/bin/vcoll"
    installed=$dir/$place-tree/bin/vcoll
    real=$vcoll
    vcoll=$installed
    PATH=$dir/bin:$PATH
    expect 126 run ./app
    err_has "vcoll-lib" "vcoll run without a library"
    : >"$dir/$place-tree/$place/libvcoll.so"
    expect 42 run ./app
    words_are -x "LD_PRELOAD=$(realpath "$dir/$place-tree/$place/libvcoll.so")" ./app
    expect 127 bench --json
    err_has "vcoll-bench" "vcoll bench without vcoll-bench"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\necho "[$1]"\nexit 9\n' >"$dir/$place-tree/bin/vcoll-bench"
    expect 126 bench word
    chmod +x "$dir/$place-tree/bin/vcoll-bench"
    expect 9 bench word
    words_are word
    PATH=$old_path
    vcoll=$real
done
mkdir -p "$dir/lib-tree/libexec/vcoll"
mv "$dir/lib-tree/bin/vcoll-bench" "$dir/lib-tree/libexec/vcoll/"
vcoll=$dir/lib-tree/bin/vcoll
expect 9 bench word

[ "$failures" = 0 ] || {
    echo "$failures failures"
    exit 1
}
echo "all good"
