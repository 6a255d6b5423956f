#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# law_yield.sh MPIRUN DIRECTORY: the MPI underneath yields where ranks share CPUs, and nowhere else.
mpirun=$1 prog=$2/law_yield
. "$(dirname "$0")/law_common.sh"
export VCOLL_SETUP_AFTER=1

# try WHAT WORDS...: two ranks run these words.
try() {
    what=$1
    shift
    timeout 60 "$mpirun" -n 2 "$@" >"$scratch/out" 2>&1 </dev/null
    rc=$?
    [ $rc = 77 ] && skip "$(cat "$scratch/out")"
    [ $rc = 0 ] || {
        cat "$scratch/out"
        fail "$what: exit code $rc"
    }
    echo "$what: $(grep -a yields "$scratch/out")"
}

cpus=$(taskset -cp $$ | sed 's/.*: *//')
first=${cpus%%[-,]*}
# Bound one by one: the MPI counts slots, not masks.
try "one CPU" taskset -c "$first" "$prog" on
VCOLL_HOST_YIELD=0 try "one CPU, told not to" taskset -c "$first" "$prog" off "" 20
VCOLL_DISABLE=1 try "one CPU, disabled" taskset -c "$first" "$prog" off "" 20
OMPI_MCA_mpi_yield_when_idle=0 try "one CPU, the user has told the MPI" taskset -c "$first" "$prog" off "" 20

# Containers: each rank has a /dev/shm of its own, so that they are nodes to each other.
if unshare -m true 2>/dev/null; then
    cat >"$scratch/alone" <<'EOF'
#!/bin/sh
mount -t tmpfs none /dev/shm && exec "$@"
EOF
    chmod +x "$scratch/alone"
    OMPI_MCA_btl=self,tcp try "one CPU, two containers" taskset -c "$first" unshare -m "$scratch/alone" "$prog" on
fi

if [ "$cpus" != "$first" ]; then
    try "a CPU each" "$prog" off
    VCOLL_HOST_YIELD=1 try "a CPU each, told to" "$prog" on
    try "one CPU, then all" taskset -c "$first" "$prog" on widen
    if [ "$first" = 0 ]; then
        try "a CPU each, then one" "$prog" off narrow
    fi
fi
echo ok
