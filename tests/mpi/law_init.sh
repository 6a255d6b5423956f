#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_init.sh MPIRUN DIRECTORY: Law 8. What a rank sends in MPI_Init grows with the logarithm of the number of ranks:
# counted by Open MPI's own monitoring of messages, which sees those of its collectives, too.
mpirun=$1 prog=$2/law_init ranks=16
. "$(dirname "$0")/law_common.sh"
ompi_info --parsable 2>/dev/null | grep -q '^mca:pml:monitoring:version' || skip "this MPI does not count messages"

# Sets peers and sent to those of the busiest rank. Lines of a rank: kind, rank, peer, bytes, "bytes", messages, ...
count() {
    rm -f "$scratch"/sent.*
    OMPI_MCA_pml=^cm,ucx OMPI_MCA_pml_monitoring_enable=1 OMPI_MCA_pml_monitoring_enable_output=3 \
        OMPI_MCA_pml_monitoring_filename="$scratch/sent" timeout -k 5 60 "$mpirun" -n $ranks "$prog" \
        >"$scratch/out" 2>&1 </dev/null || {
        [ -n "$VC_TEST_PRELOAD" ] || skip "counting breaks this MPI by itself"
        cat "$scratch/out"
        fail "the program failed"
    }
    [ -e "$scratch/sent.0.prof" ] || skip "no counts were written"
    for file in "$scratch"/sent.*.prof; do
        awk '($1 == "E" || $1 == "I") && $5 == "bytes" { peers++; sent += $6 } END { print peers + 0, sent + 0 }' "$file"
    done | sort -k 2n | tail -n 1 >"$scratch/most"
    read -r peers sent <"$scratch/most"
    echo "$1: $sent messages to $peers ranks"
}

preload=$VC_TEST_PRELOAD
export VC_TEST_PRELOAD=
count "without vcoll"
own_peers=$peers own_sent=$sent
VC_TEST_PRELOAD=$preload
count "with vcoll"
# The exchange, the MPI's broadcast of the table and its reductions of what is agreed take four rounds each, and meet
# partners at distances 1, 2, 4 and 8. Anything in which every rank meets every other has fifteen.
[ "$sent" -gt "$own_sent" ] || fail "nothing was counted: vcoll was not there"
[ "$peers" -le $((own_peers + 10)) ] || fail "messages to too many ranks"
[ "$sent" -le $((own_sent + 40)) ] || fail "too many messages"
