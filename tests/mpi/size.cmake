# SPDX-License-Identifier: BSD-3-Clause
#
# More ranks than a small machine has CPUs for: other code of the node collectives runs there.
foreach(_np 32 64 176)
  add_test(NAME mpi.size.${_np}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/size.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} ${_np})
  set_tests_properties(mpi.size.${_np} PROPERTIES LABELS mpi TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()
