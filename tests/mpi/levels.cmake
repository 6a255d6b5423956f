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

# Results over trees of several levels, with even and uneven groups, fresh and used memory.
vc_mpi_test(levels.differential.even NP 8 TIMEOUT 170 PRELOAD
  ENV "VCOLL_TOPOLOGY=numa:2 l3:2 core:2" VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:differential> --seed 5 --iterations 120)
vc_mpi_test(levels.differential.uneven NP 7 TIMEOUT 170 PRELOAD
  ENV "VCOLL_TOPOLOGY=l3:2 core:2" VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:differential> --seed 6 --iterations 120)
vc_mpi_test(levels.pool NP 6 TIMEOUT 120 PRELOAD
  ENV "VCOLL_TOPOLOGY=numa:2 core:2" VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_pool> 20)
