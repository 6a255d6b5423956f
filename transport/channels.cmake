# SPDX-License-Identifier: BSD-3-Clause
target_sources(vcoll_core PRIVATE
  mux.c
  ivshmem/bar.c
  ivshmem/chan.c
  ivshmem/lease.c
  ivshmem/ranges.c
  shm/arena.c
  shm/ring.c
  shm/segment.c
  shm/shm_chan.c
  shm/cma.c
  shm/map.c
  mpi/next.c
  mpi/progress.c
  mpi/mpi_chan.c
)
