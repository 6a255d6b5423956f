#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_symbols.sh LIBVCOLL LIBMPI SYMBOLS.LIST VCOLL.H: exactly the intercepted names, sched_yield, vcoll_* and the function that
# Open MPI 6 calls for Fortran programs (requests.c) are exported, each of the intercepted ones has an
# original in this MPI, and the MPI's own library does not come back in through them.
set -eu
vcoll=$1 mpi=$2 list=$3 header=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

sed 's/.*/MPI_&\nPMPI_&/' "$list" | sort > "$tmp/want"
nm -D --defined-only "$vcoll" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort > "$tmp/have"
grep -v -e '^vcoll_' -e '^sched_yield$' -e '^ompi_coll_base_add_release_arrays_cb$' "$tmp/have" > "$tmp/have.mpi" || true
if ! diff "$tmp/want" "$tmp/have.mpi" > "$tmp/diff"; then
    echo "exports differ (<: missing, >: should be hidden):"
    cat "$tmp/diff"
    bad=1
fi
for name in sched_yield ompi_coll_base_add_release_arrays_cb; do
    grep -qx $name "$tmp/have" || { echo "$name is not exported"; bad=1; }
done
# Of the others, what vcoll.h declares and nothing else.
sed -n 's/^[a-z].*[ *]\(vcoll_[a-z_]*\)(.*/\1/p' "$header" | sort > "$tmp/want.own"
grep '^vcoll_' "$tmp/have" > "$tmp/have.own" || true
if ! [ -s "$tmp/want.own" ] || ! diff "$tmp/want.own" "$tmp/have.own" > "$tmp/diff"; then
    echo "exports differ from vcoll.h (<: missing, >: not declared):"
    cat "$tmp/diff"
    bad=1
fi
names=46 # 17 collectives, as many nonblocking ones, Wait, Waitall, Waitany, Waitsome, Comm_dup, Comm_split, Comm_create, Init, Init_thread, Finalize, Comm_free, Comm_disconnect

nm -D --defined-only "$mpi" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort > "$tmp/mpi"
comm -23 "$tmp/want" "$tmp/mpi" > "$tmp/unknown"
if [ -s "$tmp/unknown" ]; then
    echo "not in $mpi:"
    cat "$tmp/unknown"
    bad=1
fi

# Each collective has a nonblocking form.
for name in $(sed -n 's/^I\([a-z]\)/\1/p' "$list" | grep -v '^nit'); do
    grep -qix "$name" "$list" || { echo "MPI_I$name is taken over, and its blocking form is not"; bad=1; }
done

# Where the MPI has large counts, each collective but the barrier has a second name, and it is taken over, too.
if grep -qx PMPI_Bcast_c "$tmp/mpi"; then
    names=$((names + 32))
fi
[ "$(wc -l < "$list")" -eq "$names" ] || { echo "$(wc -l < "$list") names are taken over instead of $names"; bad=1; }

# MPI_X must not be PMPI_X: it may have to go to another tool first, and that tool's PMPI_X must not.
nm -D --defined-only "$vcoll" | awk '{ sub(/@.*/, "", $3); addr[$3] = $1 }
    END { for (s in addr) if (s ~ /^MPI_/ && addr[s] == addr["P" s]) { print s " is P" s; bad = 1 }; exit bad }' || bad=1

readelf -d "$vcoll" | grep NEEDED | grep -q "$(basename "$mpi" | sed 's/\.so.*//')\.so" ||
    { echo "$vcoll does not need libmpi"; bad=1; }

# For information: an MPI whose own collectives went through the public names would be counted twice.
if objdump -R "$mpi" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort | comm -12 - "$tmp/want" > "$tmp/back" && [ -s "$tmp/back" ]; then
    echo "note: this MPI calls itself through:"
    cat "$tmp/back"
fi
exit $bad
