#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: tune_check.sh <vcoll-tune>. `vcoll tune check` end to end: what it prints, its JSON and its exit codes; and that a
# table with a terrible choice is found. Of speed it asserts only that. Needs jq.
tune=$1
. "$(dirname "$0")/tune_parts.sh"

# Wrong words are found before anything starts.
expect 2 check allredoose && says err alltoall
expect 2 check --budget never && says err 90s
expect 2 check --ranks 1 && says err 2,3,4
expect 2 check --objective fast && says err latency
expect 0 check --help && says out 'vcoll tune check -n 4'

# A healthy table: whatever this machine's noise makes of it, the output has its structure.
either check -n 3 --ranks 2,3 --sizes 8,1k --budget 12 --json "$dir/j"
says out 'table: built-in'
says out 'measured on 3 ranks, 2 ranks\|measured on 2 ranks, 3 ranks'
says out 'allreduce <= reduce + bcast'
jq -e '.format == 1 and .ranks == 3 and .native == false and .seed == 1
    and ([.comparisons[] | select(.violated)] | length) == .violated
    and ([.guidelines[].checked] | add) == (.comparisons | length)
    and (.comparisons | length) > 5
    and all(.comparisons[]; .on.ranks == 2 or .on.ranks == 3)
    and all(.comparisons[] | select(.guideline | startswith("bcast <=")); .bytes % .on.ranks == 0)
    and all(.comparisons[] | select(.right_bytes); .right_bytes == 2 * .bytes)
    and all(.comparisons[] | select(.right_on); .right_on.ranks > .on.ranks)
    and all(.comparisons[]; .rounds > 0 and .ratio > 0 and .b2b.left > 0 and .b2b.right > 0)' \
    "$dir/j" > "$dir/jq" || fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
# All guidelines were looked at, if time sufficed.
if [ "$(jq .not_reached "$dir/j")" = 0 ]; then
    jq -e '[.guidelines[].guideline] | length == 8' "$dir/j" > "$dir/jq" || fail "a guideline is missing: $(cat "$dir/jq")"
fi

# The MPI underneath alone; JSON to standard output keeps it clean.
either check --native -n 2 barrier allreduce --sizes 8 --budget 3 --json -
jq -e '.native and .table == null and all(.comparisons[]; .algorithm == "native" and .guideline != "vcoll <= native")' \
    "$dir/out" > "$dir/jq" || fail "--native: $(head -c 2000 "$dir/out")"

# A table that is terrible.
cripple_native
cat > "$dir/bad.json" <<'END'
{"vcoll_table": 1, "rules": [
  {"collective": "allreduce", "bytes": ["1k", null], "algorithm": "native"},
  {"algorithm": "builtin"}]}
END
if expect 1 check --table "$dir/bad.json" -n 2 allreduce --sizes 256k --budget 6 --json "$dir/j"; then
    says out "table: $dir/bad.json"
    says out 'VIOLATED allreduce <= reduce + bcast'
    says out 'allreduce of 256k bytes on 2 ranks (native): reduce + bcast takes less'
    says out 'back to back .* us against .* us, ratio .* \[.*, .*\]'
    says out 'guidelines are violated'
    jq -e '.violated > 0 and (.comparisons[] | select(.guideline == "allreduce <= reduce + bcast")
        | .violated and .algorithm == "native" and .ratio_low > 1.03)' "$dir/j" > "$dir/jq" ||
        fail "the JSON does not tell the violation: $(head -c 2000 "$dir/j")"
fi
exit $failed
