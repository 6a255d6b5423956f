# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced. A busy machine makes ranks wait in most batches, and a rank that waits long yields, sleeps and drives the MPI. So a run
# in which the median batch was not clean is tried again, up to five times. A path that allocates, locks or calls the kernel
# itself in half of its calls is clean in none of them.

# Runs the words until they succeed; any exit code but 8 (not clean) fails at once.
until_clean() {
    for _ in 1 2 3 4 5; do
        rc=0
        "$@" || rc=$?
        [ $rc = 8 ] || return $rc
        echo "the median batch was not clean: again"
        sleep 1
    done
    return 1
}
