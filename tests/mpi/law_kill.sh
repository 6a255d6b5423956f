#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_kill.sh MPIRUN DIRECTORY: Law 6. A rank killed in mid-collective: the job ends, nothing stays behind; and where the
# launcher lets the others live, they get an MPI error within a bounded time.
mpirun=$1 prog=$2/law_kill
. "$(dirname "$0")/law_common.sh"
# As long as a user's job has to end by itself.
export VCOLL_SETUP_AFTER=1 OMPI_MCA_odls_base_sigkill_timeout=1

# What the MPI itself leaves behind when ranks die is not our business, and goes with the scratch directory.
export OMPI_MCA_btl_vader_backing_directory="$scratch"
shm_before=$(ls -A /dev/shm)
nothing_left() {
    [ "$(ls -A /dev/shm)" = "$shm_before" ] && return
    # Other jobs of this machine may have come; only what is certainly ours counts.
    for left in /dev/shm/vcoll*; do
        [ ! -e "$left" ] || sleep 2 # another job's lives for a moment only
        [ ! -e "$left" ] || fail "$1: $left left behind"
    done
}

for wait in poll event auto; do
    for backing in auto shm; do
        begun=$(date +%s)
        VCOLL_WAIT=$wait VCOLL_SHM_BACKING=$backing timeout -k 5 30 "$mpirun" -n 3 "$prog" 200 \
            >"$scratch/out" 2>&1 </dev/null
        rc=$?
        grep -q '^running' "$scratch/out" || {
            cat "$scratch/out"
            fail "did not run"
        }
        took=$(($(date +%s) - begun))
        [ $rc != 0 ] && [ $took -lt 25 ] || {
            cat "$scratch/out"
            fail "VCOLL_WAIT=$wait VCOLL_SHM_BACKING=$backing: exit code $rc, $took s after a rank was killed"
        }
        nothing_left "VCOLL_WAIT=$wait VCOLL_SHM_BACKING=$backing"
    done
done

# survivors RANKS WAIT COLLECTIVE VICTIM: all others get an error. Without vcoll they would wait for ever, so this says nothing
# of a launcher that ends the job anyway.
survivors() {
    VCOLL_WAIT=$2 timeout -k 5 60 "$mpirun" --enable-recovery -n "$1" "$prog" 200 survive "$3" "$4" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    n=$(grep -c '^survivor [0-9]*: error' "$scratch/out")
    late=$(sed -n 's/^survivor .* after \([0-9]*\) ms.*/\1/p' "$scratch/out" | sort -n | tail -1)
    if [ "$n" = $(($1 - 1)) ] && [ "$late" -lt 10000 ]; then
        return
    fi
    cat "$scratch/out"
    fail "VCOLL_WAIT=$2, $3, rank $4 of $1 killed: $n of $(($1 - 1)) survivors got an error (exit code $rc)"
}
for how in "auto allreduce" "event allreduce" "poll barrier" "event bcast" "auto alltoall"; do
    # shellcheck disable=SC2086
    survivors 3 $how 2
done
for victim in 0 2; do
    survivors 3 auto setup $victim
done
survivors 3 event setup 1
LAW_LATE_MS=400 survivors 3 event setup 1
for how in auto event; do
    survivors 3 $how iallreduce 2
done
VCOLL_PROGRESS=thread survivors 3 auto iallreduce 1
nothing_left "survivors"

# One in the middle of many: whoever waits for others that wait for it must learn of it, too.
survivors 32 auto barrier 13
survivors 32 event allreduce 16
nothing_left "survivors of many"

# Over a tree: ranks below the killed one, above it, and in groups that never meet it. Rank 8 leads ranks 8 to 15, 16 also
# leads the second half and takes part at the top; 31 leads nobody.
export VCOLL_TABLE=none VCOLL_TOPOLOGY="numa:2 l3:2 core:8"
survivors 32 auto allreduce 8
survivors 32 auto barrier 16
survivors 32 event bcast 16
survivors 32 auto allreduce 31
nothing_left "survivors in a tree"
echo ok
