# SPDX-License-Identifier: BSD-3-Clause
#
# Which ranks of a node are near each other.
add_executable(levels levels.c)
target_link_libraries(levels PRIVATE vcoll_flags)
set_target_properties(levels PROPERTIES ENABLE_EXPORTS ON) # for a function that stands in for the C library's
add_test(NAME mpi.levels
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/levels.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} $<TARGET_FILE:vcoll-tool>)
set_tests_properties(mpi.levels PROPERTIES LABELS mpi TIMEOUT 200 SKIP_RETURN_CODE 77
  ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
