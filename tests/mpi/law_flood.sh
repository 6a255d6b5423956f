#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_flood.sh MPIRUN DIRECTORY: messages to a rank that sits in a collective are not served one a sleep. Counts sleeps,
# which a busy machine changes little, and prints times, which it changes much (scripts/figures-progress compares those).
mpirun=$1 prog=$2/law_flood
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1 VCOLL_STATS=json VCOLL_STATS_FILE="$scratch/stats"

# flood RANKS WORDS...: 6 times 600 messages.
flood() {
    np=$1
    shift
    timeout 100 "$mpirun" -n "$np" "$prog" 600 "$@" >"$scratch/out" 2>&1 </dev/null || {
        cat "$scratch/out"
        fail "VCOLL_WAIT=$VCOLL_WAIT, $np ranks, $*"
    }
    sleeps=$(sed -n 's/.*"sleeps": *\([0-9]*\).*/\1/p' "$scratch/stats")
    echo "VCOLL_WAIT=$VCOLL_WAIT, $np ranks, $*: ${sleeps:-no} sleeps; us a message:" $(grep -aE '^[a-z]+ [0-9.]+$' "$scratch/out")
    # One a message would be 3600. The other ranks of four sleep as well, and whoever else wants the CPUs makes more.
    [ "${sleeps:-99999}" -lt 1800 ] || fail "$sleeps sleeps for 3600 messages"
}

for wait in event auto; do
    export VCOLL_WAIT=$wait
    flood 2 2000
    flood 2 8000
    flood 4 2000
    flood 2 100 ssend
done
VCOLL_WAIT=hybrid flood 2 2000
# Ranks that find out that they are on one CPU yield there and hardly sleep; from Linux 6.6 on, whose sleepers do not interrupt.
if [ -r /proc/self/schedstat ] && [ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ]; then
    VCOLL_WAIT=event flood 2 100 ssend bind
    VCOLL_WAIT=auto flood 2 100 ssend bind
    VCOLL_WAIT=poll flood 2 100 ssend bind
fi
VCOLL_WAIT=poll flood 2 8000
VCOLL_WAIT=event OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl_sm_single_copy_mechanism=none flood 2 0 pieces
# Windows over the MPI's messages, where this MPI still has that.
if OMPI_MCA_osc=pt2pt timeout 60 "$mpirun" -n 2 "$prog" 1 8 rma >"$scratch/out" 2>&1 </dev/null; then
    export OMPI_MCA_osc=pt2pt
fi
VCOLL_WAIT=event flood 2 8 rma
VCOLL_WAIT=auto flood 4 8 rma
echo ok
