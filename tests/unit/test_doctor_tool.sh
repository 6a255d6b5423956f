#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The words of `vcoll doctor`, which need no MPI job: test_doctor_tool.sh <vcoll> <source directory>
vcoll=$1
src=$2
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' "$dir/out" | head -n 5
    sed 's/^/    err: /' "$dir/err" | head -n 5
}
# expect CODE WORDS...
expect() {
    want=$1
    shift
    "$vcoll" doctor "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "vcoll doctor $*: exit code $got, not $want"
}

expect 0 --help
grep -q "mpirun -n 64 --hostfile hosts vcoll doctor" "$dir/out" || fail "--help shows no example"
awk 'length > 80 { exit 1 }' "$dir/out" || fail "--help is wider than a terminal"
# Wrong words are neither "slow" nor "broken".
for words in --nonsense word "-n 0" "-n x" "-n 1.5" "--only nonsense" "--skip mpi,nonsense" "--patience 0" --markdown \
    "--mpirun=x"; do
    # shellcheck disable=SC2086
    expect 64 $words
    [ -s "$dir/out" ] && fail "something on standard output of: $words"
    grep -q "vcoll doctor" "$dir/err" || fail "nothing said of: $words"
done
expect 64 --only nonsense
grep -q 'no check "nonsense"' "$dir/err" || fail "the wrong name is not named"

expect 0 --list
grep -q '^rdma-path (broken at worst)' "$dir/out" || fail "--list has no rdma-path"
awk 'length > 101 { exit 1 }' "$dir/out" || fail "--list is not wrapped"
expect 0 --list --markdown
sed -n '/^<!-- made by: vcoll doctor/,/^<!-- end/p' "$src/docs/doctor.md" | sed '1d; $d' | cmp -s - "$dir/out" ||
    fail "the table in docs/doctor.md is old: vcoll doctor --list --markdown"
for key in vcoll_doctor version verdict exit ranks nodes count findings checks; do
    grep -q "^| \`$key\` |" "$src/docs/doctor.md" || fail "docs/doctor.md does not describe $key"
done

# mpirun is started with what belongs to it: settings of this process, and more ranks than CPUs where they are asked for.
mkdir "$dir/bin"
cat >"$dir/bin/mpirun" <<'END'
#!/bin/sh
printf '%s\n' "$*"
echo "${OMPI_MCA_rmaps_base_oversubscribe:-none} $PRTE_MCA_rmaps_default_mapping_policy"
END
chmod +x "$dir/bin/mpirun"
PATH=$dir/bin:$PATH VCOLL_WAIT=event expect 0 -n 1000 --mpirun=--host --mpirun=a --all
grep -q -- '^-n 1000 --host a .*-x VCOLL_WAIT.* .*vcoll-doctor -n 1000 --mpirun=--host --mpirun=a --all$' "$dir/out" ||
    fail "mpirun got other words"
grep -q '^1 :oversubscribe$' "$dir/out" || fail "mpirun is not told of more ranks than CPUs"
PATH=$dir/bin:$PATH expect 0 -n 1
grep -q '^none' "$dir/out" || fail "mpirun is told of more ranks than CPUs"
PATH=$dir expect 127 -n 2
[ "$failures" = 0 ]
