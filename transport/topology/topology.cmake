# SPDX-License-Identifier: BSD-3-Clause
target_sources(vcoll_core PRIVATE
  topology/cpus.c
  topology/nics.c
  topology/platform.c
  topology/rdma.c
  topology/sriov.c
  topology/sysfile.c
)
