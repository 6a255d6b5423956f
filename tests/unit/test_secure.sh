#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_secure.sh VCOLL: a program that has rights of another user than the one who calls it (AT_SECURE) reads no file that
# the environment names. Needs root, to make such a program.
set -eu
[ "$(id -u)" = 0 ] || { echo "not root: skipped"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/vc_secure.XXXXXX")
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "FAIL: $*" >&2
    cat "$dir/out" >&2
    exit 1
}
chmod 755 "$dir"
mkdir -p "$dir/bin" "$dir/.config/vcoll"
cp "$1" "$dir/bin/vcoll"
echo "SPIN_US=4321" >"$dir/.config/vcoll/vcoll.conf"
echo "no table" >"$dir/.config/vcoll/table.json"
unset XDG_CONFIG_HOME VCOLL_TABLE
HOME=$dir VCOLL_TUNE_SAVE=$dir/save VCOLL_WAIT=event
export HOME VCOLL_TUNE_SAVE VCOLL_WAIT

"$dir/bin/vcoll" info --params >"$dir/out" 2>&1 || fail "vcoll info"
grep -q 4321 "$dir/out" && grep -q "$dir/save" "$dir/out" || fail "without other rights the file and the variable count"
"$dir/bin/vcoll" info >"$dir/out" 2>&1 || true
grep -q "$dir/.config/vcoll/table.json" "$dir/out" || fail "without other rights the table in HOME counts"

chown nobody "$dir/bin/vcoll"
chmod u+s "$dir/bin/vcoll"
"$dir/bin/vcoll" info --params >"$dir/out" 2>&1 || fail "vcoll info with other rights"
if ! grep -q "VCOLL_TUNE_SAVE is ignored" "$dir/out"; then
    grep -q 4321 "$dir/out" && { echo "set-user-ID does not work on this file system: skipped"; exit 77; }
    fail "no word of what is ignored"
fi
grep -q 4321 "$dir/out" && fail "the file in HOME was read"
grep -q "$dir/save" "$dir/out" && fail "the variable was believed"
grep -q "event.*environment" "$dir/out" || fail "what names no file was ignored, too"
"$dir/bin/vcoll" info >"$dir/out" 2>&1 || true
grep -q "$dir/.config/vcoll/table.json" "$dir/out" && fail "the table in HOME was read"
echo ok
