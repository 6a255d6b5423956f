# SPDX-License-Identifier: BSD-3-Clause
#
# What things cost, measured at start.
add_executable(calibrate calibrate.c)
target_link_libraries(calibrate PRIVATE vcoll vcoll_flags)
add_test(NAME mpi.calibrate
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/calibrate.sh ${VC_MPIRUN} $<TARGET_FILE:calibrate>)
set_tests_properties(mpi.calibrate PROPERTIES LABELS mpi TIMEOUT 240 SKIP_RETURN_CODE 77)
vc_alone(mpi.calibrate)
