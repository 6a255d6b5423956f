#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_init.sh MPIRUN DIRECTORY: Law 8. What a rank sends in MPI_Init grows with the logarithm of the number of ranks:
# counted by Open MPI's own monitoring of messages, which sees those of its collectives, too.
mpirun=$1 prog=$2/law_init ranks=16
. "$(dirname "$0")/law_common.sh"
ompi_info --parsable 2>/dev/null | grep -q '^mca:pml:monitoring:version' || skip "this MPI does not count messages"

OMPI_MCA_pml_monitoring_enable=1 OMPI_MCA_pml_monitoring_enable_output=3 \
    OMPI_MCA_pml_monitoring_filename="$scratch/sent" timeout -k 5 60 "$mpirun" -n $ranks "$prog" \
    >"$scratch/out" 2>&1 </dev/null || {
    cat "$scratch/out"
    fail "the program failed"
}
[ -e "$scratch/sent.0.prof" ] || skip "no counts were written"
# Lines of a rank: kind, rank, peer, bytes, "bytes", messages, ... Four rounds of the exchange, and what the MPI's own
# broadcast and reduction need for the table and the settings; every rank to every other were fifteen peers.
for file in "$scratch"/sent.*.prof; do
    awk '($1 == "E" || $1 == "I") && $5 == "bytes" { peers++; sent += $6 }
        END {
            if (peers > 10 || sent > 16)
                exit 1
            exit peers == 0 ? 2 : 0
        }' "$file"
    case $? in
    1) cat "$file"; fail "too many messages in MPI_Init" ;;
    2) cat "$file"; fail "nothing was counted: vcoll was not there" ;;
    esac
done
echo "MPI_Init of $ranks ranks: few messages"
