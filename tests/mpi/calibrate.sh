#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# calibrate.sh MPIRUN PROGRAM: what things cost is measured once, kept, believed only if it can be, and the same on all
# ranks; without it the fixed defaults run.
mpirun=$1 prog=$2
. "$(dirname "$0")/law_common.sh"
export XDG_RUNTIME_DIR="$scratch/run" VCOLL_TABLE=none VCOLL_SETUP_AFTER=1
mkdir -m 700 "$XDG_RUNTIME_DIR"

# run NP NAME [WORDS...]: what ran, in $scratch/NAME
run() {
    np=$1 name=$2
    shift 2
    env "$@" timeout 60 "$mpirun" -n "$np" "$prog" >"$scratch/$name" 2>"$scratch/err" </dev/null || {
        cat "$scratch/$name" "$scratch/err"
        fail "$name: the program failed"
    }
    [ ! -s "$scratch/err" ] || {
        cat "$scratch/err"
        fail "$name: a healthy run is not silent"
    }
    [ "$(grep -c ': ' "$scratch/$name")" = 10 ] || fail "$name: ten lines were wanted"
}
same() {
    cmp -s "$scratch/$1" "$scratch/$2" || {
        diff "$scratch/$1" "$scratch/$2"
        fail "$3"
    }
}

run 2 fixed VCOLL_CALIBRATE=off
[ ! -e "$XDG_RUNTIME_DIR/vcoll" ] || fail "VCOLL_CALIBRATE=off keeps figures"
grep '^world bcast' "$scratch/fixed" | grep -q shm_cma || skip "single copy is not permitted here"

# On a busy machine a start may have too little time, and the next one goes on at once.
whole='"too_short_ns": 0'
for start in 1 2 3 4 5; do
    run 2 "start$start"
    file=$(ls "$XDG_RUNTIME_DIR"/vcoll/costs-*.json) || skip "nothing was measured in time"
    grep -q "$whole" "$file" && break
done
grep -q "$whole" "$file" || skip "not everything was measured in time"
cp "$file" "$scratch/kept.json"
run 2 first
run 2 second
same first second "an earlier start's figures lead to other choices"
cmp -s "$file" "$scratch/kept.json" || fail "figures are measured again although there are some"
[ "$(ls -A "$XDG_RUNTIME_DIR/vcoll" | wc -l)" = 1 ] || fail "more than one file"

# A minute later the next start measures, too, until there are five.
starts() {
    python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["starts"]))' "$file"
}
before=$(starts)
sed -i 's/"measured": "[^"]*"/"measured": "2020-01-01T00:00:00Z"/' "$file"
run 2 later
[ "$(starts)" = $((before < 5 ? before + 1 : 5)) ] || fail "a later start does not measure"
cp "$scratch/kept.json" "$file"

# Figures decide: calls of 90 us, then calls that cost nothing where copies between cores take long.
figures() {
    sed -e 's/"cma_call_ns": [0-9]*/"cma_call_ns": '"$1"/ -e 's/"cma_ps": [0-9]*/"cma_ps": '"$2"/ \
        -e 's/"cma_far_ps": [0-9]*/"cma_far_ps": '"$2"/ -e 's/"copy_across_ps": [0-9]*/"copy_across_ps": '"$3"/ \
        -e 's/"line_ns": [0-9]*/"line_ns": 50/' -e 's/"copy_far_ps": [0-9]*/"copy_far_ps": 20/' \
        -e 's/"native_ps": [0-9]*/"native_ps": 40000/' \
        "$scratch/kept.json" >"$scratch/made.json"
    cat "$scratch/made.json" >"$file"
}
figures 90000 90 15
run 2 dear
grep '^world bcast' "$scratch/dear" | cut -d' ' -f5-20 | grep -q shm_cma && fail "single copy although it is dear"
figures 60 15 4000
run 2 cheap
[ "$(grep '^world bcast' "$scratch/cheap" | grep -o shm_cma | wc -l)" -gt \
    "$(grep '^world bcast' "$scratch/fixed" | grep -o shm_cma | wc -l)" ] || fail "no single copy although it is cheap"
run 2 fixed2 VCOLL_CALIBRATE=off
same fixed fixed2 "VCOLL_CALIBRATE=off depends on the file"

# Broken: measured anew, and the file is right again.
echo '{' >"$file"
run 2 broken
grep -q yield_ns "$file" || fail "a broken file stays"
cp "$scratch/made.json" "$file"
run 2 forced VCOLL_CALIBRATE=force
cmp -s "$file" "$scratch/made.json" && fail "VCOLL_CALIBRATE=force does not measure"

# Where nothing can be written, and where ranks share CPUs or are split into nodes.
rm -rf "$XDG_RUNTIME_DIR/vcoll"
: >"$XDG_RUNTIME_DIR/vcoll"
run 2 nowhere
rm "$XDG_RUNTIME_DIR/vcoll"
run 5 five
run 5 five_again
run 4 split VCOLL_NODE_SPLIT=2
run 3 backing VCOLL_SHM_BACKING=shm VCOLL_CALIBRATE=force
run 3 no_cma VCOLL_CMA=0
grep -q shm_cma "$scratch/no_cma" && fail "single copy although VCOLL_CMA=0"
ls /dev/shm/vcoll-* >/dev/null 2>&1 && ls -l /dev/shm
echo ok
