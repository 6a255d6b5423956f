# SPDX-License-Identifier: BSD-3-Clause
# For tune_check.sh and tune_remeasure.sh, which set $tune.
. "$(dirname "$0")/tune_budget.sh"
unset OMPI_COMM_WORLD_SIZE PMIX_RANK PMI_RANK VCOLL_TABLE
. "$(dirname "$0")/../launch.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
export XDG_STATE_HOME="$dir" XDG_CONFIG_HOME="$dir"
failed=0

# Messages of Open MPI 5's launcher contain NUL bytes.
grep() { command grep -a "$@"; }

fail() {
    echo "FAILED: $*"
    failed=1
}

# run <words...>: output to $dir/out and $dir/err, its status to $got.
run() {
    tuner "$dir/out" "$dir/err" "$@"
    got=$?
}

# expect <status> <words...>
expect() {
    want=$1
    shift
    run "$@"
    [ $got = "$want" ] && return 0
    fail "vcoll-tune $* ended with $got, not $want"
    cat "$dir/out" "$dir/err"
    return 1
}

# either <words...>: what depends on speed is 0 or 1.
either() {
    run "$@"
    [ $got = 0 ] || [ $got = 1 ] && return 0
    fail "vcoll-tune $* ended with $got"
    cat "$dir/out" "$dir/err"
}

says() {
    grep -q -- "$2" "$dir/$1" || {
        fail "no '$2' in:"
        cat "$dir/$1"
    }
}

# From here on the MPI's own allreduce goes round a ring in 64-byte messages: a table that chooses it is terrible.
cripple_native() {
    export OMPI_MCA_coll_tuned_use_dynamic_rules=1 OMPI_MCA_coll_tuned_allreduce_algorithm=5
    export OMPI_MCA_coll_tuned_allreduce_algorithm_segmentsize=64
}
