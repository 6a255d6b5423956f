# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# speed.sh PROGRAM LIBRARY: prints what 8 bytes between two machines take through their memory and over verbs.
set -e
for how in shm,ivshmem shm,verbs; do
    echo "VCOLL_CHANNELS=$how"
    ranks -x "LD_PRELOAD=$2" -x "VCOLL_CHANNELS=$how" -x VCOLL_SETUP_AFTER=1 -x VCOLL_IVSHMEM=auto "$1"
done
