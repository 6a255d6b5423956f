#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_shm.sh MPIRUN DIRECTORY: little or no shared memory. Results stay right, with at most one line of why.
mpirun=$1 dir=$2 verify=$2/law_verify
. "$(dirname "$0")/law_common.sh"
[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || skip "needs the right to mount"
export VCOLL_SETUP_AFTER=1
# The MPI itself keeps its own shared memory elsewhere.
export OMPI_MCA_btl_vader_backing_directory="$scratch"

# in_shm SIZE COMMAND...: with a /dev/shm of that size of our own
in_shm() {
    size=$1
    shift
    unshare -m sh -c 'mount --make-rprivate / && mount -t tmpfs -o size='"$size"' none /dev/shm || exit 9
        "$@" || exit $?
        left=$(ls -A /dev/shm)
        [ -z "$left" ] || { echo "left in /dev/shm: $left"; exit 8; }' sh "$@"
}

# check SIZE NP WHAT...
check() {
    shm=$1 np=$2
    shift 2
    in_shm "$shm" timeout 60 "$mpirun" -n "$np" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc = 0 ] || {
        cat "$scratch/out"
        fail "$shm of /dev/shm, $np ranks, backing $VCOLL_SHM_BACKING, channels $VCOLL_CHANNELS: exit code $rc"
    }
    # Rank 0 speaks for all, once.
    [ "$(grep -c '^vcoll' "$scratch/out")" -le 1 ] || {
        cat "$scratch/out"
        fail "$shm of /dev/shm, backing $VCOLL_SHM_BACKING: more than one line"
    }
}

for backing in shm auto memfd; do
    export VCOLL_SHM_BACKING=$backing VCOLL_CHANNELS=shm,mpi
    check 64m 4 "$verify" 1
    check 1m 4 "$verify" 1
    check 1m 3 "$dir/law_lifecycle" alive 60
    check 4k 4 "$verify" 1
done
# Many communicators in little memory.
export VCOLL_SHM_BACKING=shm
check 64m 2 "$dir/law_lifecycle" alive 300
# Where there is room, it is used; and without shared memory nothing is wrong either.
VCOLL_SHM_BACKING=shm check 64m 4 "$verify" 1
grep -q '^ok active' "$scratch/out" || fail "64 MB of /dev/shm should do for 4 ranks"
export VCOLL_CHANNELS=mpi
check 4k 4 "$verify" 1
[ "$(grep -c '^vcoll' "$scratch/out")" = 0 ] || fail "VCOLL_CHANNELS=mpi wants no shared memory, so it lacks none"
echo ok
