# SPDX-License-Identifier: BSD-3-Clause
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET GLOBAL libmnl)
target_link_libraries(vcoll_core PRIVATE PkgConfig::MNL)
target_sources(vcoll_core PRIVATE
  topology/cluster.c
  topology/coalesce.c
  topology/cpulist.c
  topology/cpus.c
  topology/ethtool_nl.c
  topology/latency.c
  topology/levels.c
  topology/nics.c
  topology/numa.c
  topology/platform.c
  topology/rdma.c
  topology/sharing.c
  topology/sriov.c
  topology/sysfile.c
)
