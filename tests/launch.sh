# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# Sourced by what launches MPI programs in tests: Open MPI on one machine, without what only costs time there. What is set already
# stays as it is.

# Ranks of one machine need no network; keeps the launcher from listening elsewhere. Open MPI 6 warns of 4's name for that.
export OMPI_MCA_btl=${OMPI_MCA_btl:-self,vader}
if command -v orted >/dev/null; then
    export OMPI_MCA_oob_tcp_if_include=${OMPI_MCA_oob_tcp_if_include:-lo}
else
    export PMIX_MCA_ptl_base_if_include=${PMIX_MCA_ptl_base_if_include:-lo}
fi
export OMPI_MCA_btl_tcp_if_include=${OMPI_MCA_btl_tcp_if_include:-lo}
# Ranks of one machine get ob1 anyway; looking at the providers of networks first would double the time of a start.
export OMPI_MCA_pml=${OMPI_MCA_pml:-ob1}
export OMPI_MCA_plm=${OMPI_MCA_plm:-isolated} OMPI_MCA_btl_base_warn_component_unused=0
# Nobody asks where devices are: without its plugins for those hwloc takes a sixth less of each rank's start.
export HWLOC_PLUGINS_PATH=${HWLOC_PLUGINS_PATH:-/nonexistent}
# A job that fails is not given a second to end by itself: ranks get SIGKILL right after SIGTERM.
export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-0}
