# SPDX-License-Identifier: BSD-3-Clause
#
# The parameters of the cost model, measured in half a second: by ranks of one node, by ranks that take turns on the CPUs,
# by nodes that are pretended, over the underlying MPI and over the loopback device.
add_executable(model_fit model_fit.c)
target_link_libraries(model_fit PRIVATE vcoll vcoll_search)
vc_mpi_test(model_fit NP 2 TIMEOUT 120 COMMAND $<TARGET_FILE:model_fit>)
vc_mpi_test(model_fit.crowded NP 4 TIMEOUT 120 COMMAND $<TARGET_FILE:model_fit>)
vc_mpi_test(model_fit.nodes NP 4 TIMEOUT 120 ENV VCOLL_NODE_SPLIT=2 COMMAND $<TARGET_FILE:model_fit>)
vc_mpi_test(model_fit.verbs NP 2 TIMEOUT 120
  ENV VCOLL_NODE_SPLIT=1 VCOLL_CHANNELS=shm,verbs VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>
  COMMAND $<TARGET_FILE:model_fit>)
