#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_long.sh MPIRUN DIRECTORY: Law 8. An algorithm whose plan would be too long is not run, be it forced; one line says so,
# however many communicators there are, and results are right. A ring in many segments is too long at fewer ranks than others.
mpirun=$1 prog=$2/law_init ranks=54
. "$(dirname "$0")/law_common.sh"

VCOLL_SETUP_AFTER=1 VCOLL_ALG=allreduce=ring:segment=64 timeout -k 5 100 "$mpirun" -n $ranks "$prog" sum \
    >"$scratch/out" 2>&1 </dev/null || {
    cat "$scratch/out"
    fail "the program failed"
}
lines=$(grep -ac "VCOLL_ALG: allreduce=ring is not run on $ranks ranks .* its plan would have [0-9]* steps" "$scratch/out")
[ "$lines" = 1 ] || {
    cat "$scratch/out"
    fail "$lines lines instead of one"
}
