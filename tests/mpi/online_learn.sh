#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# online_learn.sh MPIRUN DIRECTORY: with a table that chooses badly, VCOLL_TUNE=online moves away from it, its trials stay
# below one per cent, and the table that it saves does so from the start of the next run.
mpirun=$1 program=$2/online_calls
. "$(dirname "$0")/law_common.sh"
command -v jq >/dev/null || skip "jq is not installed"
ranks=3 calls=10000

# For 512 bytes, a ring is about the slowest way.
cat >"$scratch/bad.json" <<EOF
{"vcoll_table": 1,
 "rules": [{"collective": "allreduce", "algorithm": "ring"},
           {"algorithm": "builtin"}]}
EOF
export VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats"

# go TABLE [NAME=value ...]: a run; complains about anything on standard error.
go() {
    table=$1
    shift
    rm -f "$scratch/stats"
    env VCOLL_TABLE="$table" "$@" timeout 60 "$mpirun" -n $ranks "$program" steady $calls \
        >"$scratch/out" 2>"$scratch/err" </dev/null || {
        cat "$scratch/out" "$scratch/err"
        fail "wrong results or a hang with $table $*"
    }
    grep -q '^ok' "$scratch/out" || fail "no result with $table $*"
}
quiet() {
    [ ! -s "$scratch/err" ] || {
        cat "$scratch/err"
        fail "a healthy run prints"
    }
}
# Calls of the large communicator's size class by algorithm, most calls first: "name calls".
by_algorithm() {
    jq -r '.collectives.allreduce.sizes[] | select(.bytes_from == 512) | "\(.algorithm) \(.calls)"' "$scratch/stats" |
        sort -k 2 -n -r
}
# Of all calls, thousandths that ALGORITHM ran.
part_of() {
    by_algorithm | awk -v a="$1" '{ all += $2 } $1 == a { n += $2 } END { print int(1000 * n / all) }'
}

go "$scratch/bad.json" VCOLL_TUNE=off
quiet
[ "$(part_of ring)" -gt 990 ] || fail "the bad table is not in effect: $(by_algorithm)"

calls=40000
go "$scratch/bad.json" VCOLL_TUNE=online VCOLL_TUNE_SAVE="$scratch/saved.json"
quiet
by_algorithm
[ "$(part_of ring)" -lt 900 ] || fail "it does not move away from the ring"
# Besides the ring and what took its place (once in the middle of the search and once in its end, at most).
rare=$(by_algorithm | awk '{ all += $2 } NR > 3 { n += $2 } END { print int(1000 * n / all) }')
[ "$rare" -lt 10 ] || fail "$rare of 1000 calls were trials"
[ -s "$scratch/saved.json" ] || fail "no table was saved"
# row RANKS FILTER: of the saved row of that many ranks
row() {
    jq -r --argjson n "$1" ".rules[] | select(.collective == \"allreduce\" and .ranks == \$n) | $2" "$scratch/saved.json"
}
[ "$(row $ranks .measured.trials)" -lt $((calls / 100)) ] || fail "$(row $ranks .measured.trials) trials in $calls calls"
[ "$(row $ranks .measured.trials)" -gt 10 ] || fail "hardly any trials: $(row $ranks .measured.trials)"
# That communicator was freed long before the end.
[ -n "$(row 2 .algorithm)" ] || fail "nothing was saved for the communicator of two ranks"
best=$(row $ranks .algorithm)
[ "$best" != ring ] || fail "the saved table has the ring"

calls=10000
# Ranks that try other things every other call; native ones among them.
go "$scratch/bad.json" VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000
quiet
[ "$(by_algorithm | wc -l)" -gt 5 ] || fail "a share of 1000 tries little: $(by_algorithm)"

go "$scratch/saved.json" VCOLL_TUNE=off
quiet
[ "$(part_of "$best")" -gt 990 ] || fail "the saved table chose $best, what ran: $(by_algorithm)"

# Rank 0 says that it cannot save, and nothing else happens.
go "$scratch/bad.json" VCOLL_TUNE=online VCOLL_TUNE_SHARE=100 VCOLL_TUNE_SAVE="$scratch/no/folder/t.json"
if [ "$(grep -c . "$scratch/err")" != 1 ] || ! grep -q 'VCOLL_TUNE_SAVE.*no/folder/t.json' "$scratch/err"; then
    cat "$scratch/err"
    fail "wanted one line about the table that cannot be written"
fi
# What is forced is forced.
calls=3000
go none VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_ALG=allreduce=ring
quiet
[ "$(part_of ring)" -gt 990 ] || fail "VCOLL_ALG does not hold: $(by_algorithm)"
echo ok
