# SPDX-License-Identifier: BSD-3-Clause
if(NOT VCOLL_SANITIZE) # sanitizers bring their own malloc
  add_executable(hot_path hot_path.c)
  target_link_libraries(hot_path PRIVATE vcoll_flags)
  add_test(NAME mpi.hot_path COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/hot_path.sh $<TARGET_FILE:hot_path>)
  vc_alone(mpi.hot_path)
  set_tests_properties(mpi.hot_path PROPERTIES LABELS mpi TIMEOUT 200 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
  # Prints, and asserts that it can count; more ranks by hand, whose every call waits until all had their turns.
  add_executable(instructions instructions.c)
  target_link_libraries(instructions PRIVATE vcoll_flags)
  add_test(NAME mpi.instructions
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/instructions.sh $<TARGET_FILE:instructions> 2)
  set_tests_properties(mpi.instructions PROPERTIES LABELS mpi TIMEOUT 200 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endif()

# Prints, and asserts nothing but that it can measure.
add_executable(posted_cost posted_cost.c)
target_link_libraries(posted_cost PRIVATE vcoll_flags)
vc_mpi_test(posted_cost NP 2 PRELOAD COMMAND $<TARGET_FILE:posted_cost> 1)
# What types with gaps take: a program to measure with, run once.
add_executable(gaps_cost gaps_cost.c)
target_link_libraries(gaps_cost PRIVATE vcoll_flags)
vc_mpi_test(gaps_cost NP 2 PRELOAD COMMAND $<TARGET_FILE:gaps_cost> 3)

# Calls that are like earlier ones, among others that are not.
add_executable(quick quick.c)
target_link_libraries(quick PRIVATE vcoll_flags)
foreach(_np 2 3)
  vc_mpi_test(quick.${_np} NP ${_np} PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:quick>)
endforeach()
