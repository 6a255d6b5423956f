# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Prints what an 8-byte and a 16 KiB allreduce of two machines take through their memory, over verbs, and natively (TCP).
# The tests share a boot, so the machines have the memory already. Fails if the memory is not faster than both.
set -e
for how in shm,ivshmem shm,verbs; do
    export VCOLL_CHANNELS=$how
    vcoll bench -n 2 allreduce --sizes 8,16k --time 4 --json > "/tmp/speed.$how" || exit 1
    cat "/tmp/speed.$how"
done
