#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_odd.sh MPIRUN DIRECTORY: one rank is odd. All ranks decide the same, results are right, and at most one line says why
# they do with less.
mpirun=$1 odd=$2/law_odd
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1
# The MPI's own single copy knows nothing of ranks that it cannot see into.
export OMPI_MCA_btl_vader_single_copy_mechanism=none

# As the rank is started: changes the one that ODD_RANK names ("all": every one) in the way that ODD names.
cat >"$scratch/start" <<'END'
#!/bin/sh
rank=${OMPI_COMM_WORLD_RANK:-$PMIX_RANK}
if [ "$ODD_RANK" = "$rank" ] || [ "$ODD_RANK" = all ]; then
    case $ODD in
    files) ulimit -n 40 ;;
    closed) exec >&- ;;
    input) exec <&- 2>&- ;;
    locale) LC_ALL=$ODD_LOCALE && export LC_ALL ;;
    pids) exec unshare -p -f --mount-proc "$@" ;;
    esac
fi
exec "$@"
END
chmod +x "$scratch/start"

# try ODD RANK WANTED PROGRAM-WORDS...: WANTED is what rank 0 says after "ok"; "-": it cannot say it
try() {
    ODD=$1 ODD_RANK=$2 wanted=$3
    export ODD ODD_RANK
    shift 3
    timeout -k 5 100 "$mpirun" -n 3 "$scratch/start" "$odd" "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    lines=$(grep -a -c '^vcoll' "$scratch/out")
    [ $rc = 0 ] && [ "$lines" -le 1 ] && { [ "$wanted" = - ] || grep -a -q "^ok $wanted" "$scratch/out"; } || {
        cat "$scratch/out"
        fail "$ODD $* of rank $ODD_RANK: exit code $rc, $lines lines of vcoll"
    }
}

try - none "active, 1 nodes" sealed 0
try - none "active, 1 nodes" sealed 2
try files 0 "active"
try files 2 "active"
try closed 0 -
try input 2 "active, 1 nodes"
# A descriptor limit that leaves none for memory of our own.
VCOLL_SHM_BACKING=shm try files 1 "active"

# A decimal comma. Made here, where the system has what it is made from.
if LC_ALL=C localedef -c -i de_DE -f UTF-8 "$scratch/comma" >"$scratch/out" 2>&1 || [ -d "$scratch/comma" ]; then
    export LOCPATH="$scratch" ODD_LOCALE=comma
    VCOLL_TUNE=online VCOLL_CQ_MODERATION=off try locale 2 "active, 1 nodes"
    unset LOCPATH
else
    echo "no other locale here: not tried"
fi

# A pid namespace of its own: numbers of processes mean something else there.
if unshare -p -f --mount-proc true 2>/dev/null; then
    # The MPI's own shared memory mixes up processes of the same number.
    export OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
    try pids 0 "active, 1 nodes" blind
    try pids 2 "active, 1 nodes" blind
    try pids all "active, 1 nodes" blind
    # It is asked for, and cannot be reached.
    export VCOLL_SHM_BACKING=memfd
    try pids 0 "active, 3 nodes"
    try pids all "active, 3 nodes" blind
else
    echo "no pid namespaces here: not tried"
fi
echo ok
