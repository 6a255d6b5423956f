#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_long.sh MPIRUN DIRECTORY: Law 8. An algorithm whose plan would be too long is not run, be it forced; one line says so,
# however many communicators there are, and results are right. A ring of nodes in segments
# is too long at fewer ranks than others that are made whole.
mpirun=$1 prog=$2/law_init ranks=72
. "$(dirname "$0")/law_common.sh"

VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=1 VCOLL_ALG=allreduce=two_level_multi_ring:segment=64 timeout -k 5 100 "$mpirun" -n $ranks "$prog" sum \
    >"$scratch/out" 2>&1 </dev/null || {
    cat "$scratch/out"
    fail "the program failed"
}
lines=$(grep -ac "VCOLL_ALG: allreduce=two_level_multi_ring is not run on $ranks ranks .* its plan would have [0-9]* steps" "$scratch/out")
[ "$lines" = 1 ] || {
    cat "$scratch/out"
    fail "$lines lines instead of one"
}
