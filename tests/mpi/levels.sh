#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# levels.sh MPIRUN DIRECTORY: which ranks are near each other, on communicators of any ranks in any order, from VCOLL_TOPOLOGY,
# a table, the kernel, or measured times; and the line that tells.
mpirun=$1 levels=$2/levels verify=$2/law_verify
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_TABLE=none

# groups RANKS NUMA CACHES CORES: the library's groups are those of the program, on every rank of every communicator.
groups() {
    np=$1
    shift
    VCOLL_LOG=debug VCOLL_TOPOLOGY="numa:$1 l3:$2 core:$3" timeout 60 "$mpirun" -n "$np" "$levels" "$@" \
        >"$scratch/program" 2>"$scratch/err" </dev/null || {
        cat "$scratch/program" "$scratch/err"
        fail "$np ranks on numa:$1 l3:$2 core:$3"
    }
    grep 'levels of [0-9]* ranks:' "$scratch/err" | sort -u >"$scratch/library.lines"
    sort -u "$scratch/program" >"$scratch/program.lines"
    cmp -s "$scratch/program.lines" "$scratch/library.lines" || {
        diff "$scratch/program.lines" "$scratch/library.lines" | head -20
        fail "other groups, $np ranks on numa:$1 l3:$2 core:$3"
    }
    grep -q 'core\|cache\|numa' "$scratch/library.lines" || fail "no levels at all, $np ranks"
}
groups 8 2 2 2
groups 12 2 2 2
groups 7 1 3 2
groups 5 2 1 2

# tells PATTERN NP [NAME=VALUE ...] COMMAND...: the line of the job; one, by rank 0.
tells() {
    pattern=$1 np=$2
    shift 2
    VCOLL_LOG=info timeout 60 "$mpirun" -n "$np" env "$@" >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "exit code of $*"
    }
    grep -q "vcoll\[0\]: levels of rank 0's node: $pattern" "$scratch/out" &&
        [ "$(grep -c "levels of rank 0's node" "$scratch/out")" = 1 ] || {
        cat "$scratch/out"
        fail "no line, or several: $pattern"
    }
}
tells '4 ranks: cache 2 x 2 (by VCOLL_TOPOLOGY)' 4 VCOLL_TOPOLOGY='l3:2 core:2' "$verify" 50
tells '4 ranks, flat (by VCOLL_TOPOLOGY)' 4 VCOLL_TOPOLOGY=flat "$verify" 50
tells '.* (by the kernel)' 4 "$verify" 50

# Ranks that may roam cannot be measured: one line says so, and the job goes on.
tells '.* (by the kernel)' 4 VCOLL_TOPOLOGY=measure "$verify" 50
if [ "$(nproc)" -gt 1 ]; then
    [ "$(grep -c 'VCOLL_TOPOLOGY=measure: nothing is measured.* is not bound to a core' "$scratch/out")" = 1 ] || {
        cat "$scratch/out"
        fail "no word of what was refused"
    }
fi
# Two that stay on CPUs of their own are measured.
cpus=$(taskset -cp $$ | sed 's/.*: //')
case $cpus in
*[,-]*)
    first=${cpus%%[,-]*}
    last=${cpus##*[,-]}
    cores=/sys/devices/system/cpu
    if ! cmp -s "$cores/cpu$first/topology/thread_siblings_list" "$cores/cpu$last/topology/thread_siblings_list"; then
        tells '2 ranks, flat (by measured times)' 2 VCOLL_TOPOLOGY=measure sh -c '
            [ "$OMPI_COMM_WORLD_LOCAL_RANK" = 0 ] && cpu=$0 || cpu=$1
            shift
            exec taskset -c "$cpu" "$@"' "$first" "$last" "$verify" 50
        tells '2 ranks, flat (by the kernel)' 2 VCOLL_TOPOLOGY=measure taskset -c "$first" "$verify" 50
        grep -q 'ranks 0 and 1 share a core' "$scratch/out" || fail "ranks on one CPU were measured"
    fi
    ;;
esac

# More ranks than there are CPUs, which seem to be bound: what is measured is nonsense, or given up, but it ends on all alike.
for np in 3 4; do
    LEVELS_BOUND=1 VCOLL_WAIT=event VCOLL_LOG=info VCOLL_TOPOLOGY=measure timeout 60 "$mpirun" -n "$np" "$levels" 1 1 1 \
        >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "$np ranks that seem to be bound"
    }
    grep -q "levels of rank 0's node: $np ranks.* (by measured times)\|nothing is measured.*did not answer" "$scratch/out" || {
        cat "$scratch/out"
        fail "$np ranks that seem to be bound were not measured"
    }
done

# What a table has measured holds on machines of that kind alone.
table() {
    printf '{"vcoll_table": 1, "rules": [{"algorithm": "builtin"}], "levels": {"processor": "%s", "cpus": %s,
        "platform": "%s", "over": "0-1023", "cache": ["0-1023"], "core": [%s], "measured": {"anything": 1}}}' "$@"
}
vcoll=$3
if [ -x "$vcoll" ] && "$vcoll" info --platform --json >"$scratch/info" && command -v jq >/dev/null; then
    # shellcheck disable=SC2046
    set -- "$(jq -r .levels.processor "$scratch/info")" "$(jq -r .levels.cpus "$scratch/info")" \
        "$(jq -r .platform.class "$scratch/info")" '"0-1023"'
    table "$@" >"$scratch/table.json"
    tells '4 ranks, flat (by the tuning table)' 4 VCOLL_TABLE="$scratch/table.json" "$verify" 50
    table "$1 II" "$2" "$3" "$4" >"$scratch/table.json"
    tells '.* (by the kernel)' 4 VCOLL_TABLE="$scratch/table.json" "$verify" 50
fi
echo "levels: as expected"
