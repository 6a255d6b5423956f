#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `compare --keep`: figures of single simulations are those of a whole one, stay, and may be missing; and they are the same without
# quick_setup. keep.sh <compare> <judge>
compare=$1
judge=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    /' "$dir/out" "$dir/err"
}
# figures <words>: what it prints, without the day
figures() {
    "$compare" --nodes 5 --ppn 1 --colls barrier,bcast --sizes 8,1024 --selectors ompi "$@" "$judge" 2>"$dir/err" >"$dir/all" ||
        fail "exit code of $*"
    grep -v '^simulated' "$dir/all" >"$dir/out"
}

figures
cp "$dir/out" "$dir/whole"
figures --keep "$dir/kept"
cmp -s "$dir/out" "$dir/whole" || fail "figures of single simulations differ from those of a whole one"
[ "$(find "$dir/kept" -name '*.json' | wc -l)" = 6 ] || fail "not six files: $(ls "$dir/kept")"
figures --keep "$dir/kept" --kept
cmp -s "$dir/out" "$dir/whole" || fail "what was kept is not what was simulated"
[ ! -s "$dir/err" ] || fail "something was simulated with --kept"
rm "$dir/kept/fat-tree-5x1-bcast-8-ompi.json"
figures --keep "$dir/kept" --kept
grep -q '^bcast  *8  *-  ' "$dir/out" || fail "no dash where a figure is missing"
grep -q '^missing figures: 1,' "$dir/out" || fail "a missing figure is not told"
figures --keep "$dir/kept" --timeout 0.001
grep -q '5x1 bcast ompi: did not end' "$dir/err" || fail "a simulation that did not end is not told"
[ ! -e "$dir/kept/fat-tree-5x1-bcast-8-ompi.json" ] || fail "a figure of a simulation that did not end"

# What nobody can do is told: a bcast of 8 bytes to four others takes 1.6 us and more.
sed -i 's/"us": {.*}/"us": {"native": 1.5}}/' "$dir/kept/fat-tree-5x1-bcast-1024-ompi.json"
"$compare" --nodes 5 --ppn 1 --colls bcast --sizes 1024 --selectors ompi --keep "$dir/kept" --kept "$judge" >"$dir/out" 2>"$dir/err" &&
    fail "an impossible figure is taken"
grep -q '^compare: bcast of 1024 bytes, ompi: 1.5 us, less than the [0-9.]* that are possible' "$dir/err" || fail "an impossible figure is not told"
# SMPI's own set-up shortened (quick_setup.c) changes no figure: a judge without the library beside it does without.
several="--nodes 16 --ppn 2 --sizes 8,16384 --selectors ompi,mvapich2,mpich"
# shellcheck disable=SC2086
figures $several
cp "$dir/out" "$dir/whole"
cp "$judge" "$dir/judge"
[ -e "$(dirname "$judge")/quick_setup.so" ] || fail "there is no quick_setup.so"
judge=$dir/judge
# shellcheck disable=SC2086
figures $several
cmp -s "$dir/out" "$dir/whole" || fail "figures differ where set-up is shortened"

[ $failures = 0 ] && echo "all passed"
exit $failures
