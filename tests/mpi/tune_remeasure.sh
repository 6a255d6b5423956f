#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Usage: tune_remeasure.sh <vcoll-tune>. `vcoll tune validate --measure` end to end, on a table that is made first: output,
# JSON, exit codes; and that a row which is terrible is found. Of speed it asserts only that. Needs jq.
tune=$1
. "$(dirname "$0")/tune_parts.sh"

expect 2 remeasure && says err table
expect 2 remeasure t.json --budget 0 && says err 90s
expect 1 remeasure "$dir/none.json" -n 2 && says err none.json
echo '{"vcoll_table": 1, "rules": [{"algorithm": "builtin"}]}' > "$dir/empty.json"
expect 1 remeasure "$dir/empty.json" -n 2 && says err 'no measured points'
echo '{"vcoll_table": 1, "rules": [' > "$dir/broken.json"
expect 1 remeasure "$dir/broken.json" -n 2 && says err 'broken.json:'

whole=yes
# Three, and those between two sizes that choose differently.
expect 0 run -n 2 -o "$dir/t.json" barrier allreduce --sizes 8,256k --budget 4 --force || exit 1
points=$(jq '.measured | length' "$dir/t.json")
[ "$points" -ge 3 ] || fail "$points measured points"
either remeasure "$dir/t.json" -n 2 --budget 3 --json "$dir/j"
says out "$points measured points, $points fit"
jq -e --argjson points "$points" '.format == 1 and .points == $points and .fitting == $points
    and .measured + .not_reached == $points
    and (.results | length) == .measured and .seed != 1 and .objective == "latency"
    and ([.results[] | select(.holds | not)] | length) == .no_longer_hold
    and .loss_worst >= .loss_average and .loss_average >= 0
    and all(.results[]; (.candidates | length) >= 2 and .best.score > 0 and .ranks == 2 and (.choice | length) > 0)' \
    "$dir/j" > "$dir/jq" || fail "the JSON is not as expected: $(head -c 2000 "$dir/j")"
either remeasure "$dir/t.json" -n 2 --all --sizes 8 --budget 4 allreduce --json -
jq -e '.points == 1 and (.results[0].candidates | length) > 2' "$dir/out" > "$dir/jq" || fail "--all: $(head -c 2000 "$dir/out")"

# Another allocation, and another kind of place.
expect 1 remeasure "$dir/t.json" -n 3 --sizes 4k allreduce && says err 'what was asked for'
jq 'del(.checksum) | .measured[].ranks = 12 | .measured[].ppn = 12' "$dir/t.json" > "$dir/big.json"
expect 1 remeasure "$dir/big.json" -n 2 && says err '12 ranks on 1 node'
jq 'del(.checksum) | .measured[].crowded |= not' "$dir/t.json" > "$dir/other.json"
expect 1 remeasure "$dir/other.json" -n 2 && says err 'ranks than CPUs here'

# Without rules it is what the library does without a table, by the figures that it has kept.
export XDG_RUNTIME_DIR="$dir/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
jq 'del(.checksum) | .rules = [{"algorithm": "builtin"}]' "$dir/t.json" > "$dir/without.json"
either remeasure "$dir/without.json" -n 2 --budget 2 allreduce --sizes 256k --json "$dir/j"
costs=$(ls "$XDG_RUNTIME_DIR"/vcoll/costs-*.json 2> /dev/null)
single=$(command grep -o '"cma_call_ns": [1-9]' "$costs" 2> /dev/null)
for call in 60 90000; do
    [ -n "$single" ] || break
    across=$((call == 60 ? 1000 : 15))
    sed -i -e "s/\"cma_call_ns\": [0-9]*/\"cma_call_ns\": $call/" -e 's/"cma_ps": [0-9]*/"cma_ps": 15/' \
        -e 's/"cma_far_ps": [0-9]*/"cma_far_ps": 15/' -e "s/\"copy_across_ps\": [0-9]*/\"copy_across_ps\": $across/" "$costs"
    either remeasure "$dir/without.json" -n 2 --budget 2 allreduce --sizes 256k --json "$dir/j"
    jq -e --arg want "$([ $call = 60 ] && echo shm_cma || echo shm)" '.results[0] | .rule == null and .choice == $want' \
        "$dir/j" > "$dir/jq" || fail "calls of $call ns: $(head -c 2000 "$dir/j")"
done
unset XDG_RUNTIME_DIR

# A table that is terrible: better ones are among those that were measured.
cripple_native
jq 'del(.checksum) | .rules = [{"collective": "allreduce", "bytes": ["1k", null], "algorithm": "native"},
    {"algorithm": "builtin"}]' "$dir/t.json" > "$dir/bad.json"
if expect 1 remeasure "$dir/bad.json" -n 2 --budget 4 allreduce --sizes 256k --json "$dir/j"; then
    says out 'NO LONGER HOLDS rule 0: allreduce of 256k bytes on 2 ranks'
    says out 'behind the best candidate found'
    says out 'choices that no longer hold: 1'
    jq -e '.no_longer_hold == 1 and .loss_worst > 0.05 and .loses_to_native == 0 and (.results[0]
        | .rule == 0 and .choice == "native" and (.holds | not) and .best.ratio_low > 1 and .best.choice != "native")' \
        "$dir/j" > "$dir/jq" || fail "the JSON does not tell: $(head -c 2000 "$dir/j")"
fi
exit $failed
