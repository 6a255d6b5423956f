# SPDX-License-Identifier: BSD-3-Clause
#
# More ranks than a small machine has CPUs for: other code of the node collectives runs there.
foreach(_size 32 64 176 "32 levels")
  separate_arguments(_args UNIX_COMMAND "${_size}")
  string(REPLACE " " "." _name ${_size})
  add_test(NAME mpi.size.${_name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/size.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} ${_args})
  set_tests_properties(mpi.size.${_name} PROPERTIES LABELS mpi TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()
