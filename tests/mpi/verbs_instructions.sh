#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs_instructions.sh BUILD [CALLS]: instructions of vcoll's own for one 8-byte allreduce of two ranks over the loopback verbs
# device, polling, and where they are spent. Rank 0 runs under callgrind, and sleeps between its calls, so that it never waits:
# what is counted is the path itself; calls in which it had to all the same (more than twice the cheapest) are left out. The
# device's instructions are shown, but not part of the sum.
set -eu
build=$1 calls=${2:-200}
command -v valgrind >/dev/null || { echo "valgrind is not installed: skipped"; exit 77; }
out=$(mktemp -d "${TMPDIR:-/tmp}/vc_instructions.XXXXXX")
trap 'rm -rf "$out"' EXIT
export VCOLL_VERBS_LIBRARY="$build/tests/loopback/libvcoll_loopback_verbs.so"
export VCOLL_CHANNELS=verbs VCOLL_WAIT=poll VCOLL_SETUP_AFTER=1 VC_OUT="$out" VC_LIB="$build/pmpi/libvcoll.so"
"$(dirname "$0")/../mpirun" -n 2 sh -c '
    if [ "$OMPI_COMM_WORLD_RANK" = 0 ]; then
        LD_PRELOAD=$VC_LIB exec valgrind --tool=callgrind --callgrind-out-file="$VC_OUT/cg" --collect-atstart=no \
            --toggle-collect=measured --dump-after=measured "$@" 2>"$VC_OUT/valgrind"
    fi
    LD_PRELOAD=$VC_LIB exec "$@"' sh "$build/tests/mpi/verbs_allreduces" "$calls" || { cat "$out/valgrind"; exit 1; }
# A file for each call, with its sum.
for f in "$out"/cg.*; do
    echo "$(sed -n 's/^totals: *//p' "$f") $f"
done | sort -n | awk '$1 > 0 { if (!least) least = $1; if ($1 <= 2 * least) print $2 }' >"$out/good"
used=$(wc -l <"$out/good")
# The format of callgrind: "ob=(1) path", "fn=(2) name" (names stand there once, then the number alone); lines of costs; behind
# "calls=" one of inclusive costs.
tr '\n' '\0' <"$out/good" | xargs -0 awk -v calls="$used" -v all="$calls" '
    FNR == 1 { split("", names); skip = 0 }
    /^c?(ob|fn|fl|fi|fe)=/ {
        eq = index($0, "=")
        key = substr($0, 1, eq - 1)
        kind = key ~ /ob$/ ? "o" : key ~ /fn$/ ? "f" : "s"
        id = substr($0, eq + 1)
        if (match(id, /^\([0-9]+\) /)) {
            name = substr(id, RLENGTH + 1)
            id = substr(id, 1, RLENGTH - 1)
            # Files with their directory, everything else without.
            if (kind == "s" && match(name, /[^\/]*\/[^\/]*$/)) name = substr(name, RSTART)
            if (kind == "o") sub(".*/", "", name)
            names[kind id] = name
        }
        if (key == "ob") object = names["o" id]
        if (key == "fn") fn = names["f" id]
        if (key == "fl") source = names["s" id]
        next
    }
    /^calls=/ { skip = 1; next }
    /^[-+*0-9]/ {
        if (skip) { skip = 0; next }
        sum[object] += $2
        if (object ~ /^libvcoll\.so/) {
            own += $2
            if (source ~ /^verbs\//) verbs += $2
            if (source ~ /^coll\/engine/) engine += $2
            file[source] += $2
            func[source ":" fn] += $2
        }
    }
    END {
        if (calls == 0 || own == 0) exit 1
        printf "%.1f instructions of vcoll for each 8-byte allreduce, %.1f of them in transport/verbs, %.1f in the engine (%d of %d calls)\n", \
            own / calls, verbs / calls, engine / calls, calls, all
        printf "\nby object:\n"
        for (o in sum) printf "%9.1f  %s\n", sum[o] / calls, o | "sort -rn"
        close("sort -rn")
        printf "\nof vcoll, by file (with what is inlined there):\n"
        for (f in file) printf "%9.1f  %s\n", file[f] / calls, f | "sort -rn"
        close("sort -rn")
        printf "\nof vcoll, by function (its own alone):\n"
        for (f in func) printf "%9.1f  %s\n", func[f] / calls, f | "sort -rn | head -30"
        close("sort -rn | head -30")
    }'
