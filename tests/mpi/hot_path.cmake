# SPDX-License-Identifier: BSD-3-Clause
if(NOT VCOLL_SANITIZE) # sanitizers bring their own malloc
  add_executable(hot_path hot_path.c)
  target_link_libraries(hot_path PRIVATE vcoll_flags)
  add_test(NAME mpi.hot_path COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/hot_path.sh $<TARGET_FILE:hot_path>)
  vc_alone(mpi.hot_path)
  set_tests_properties(mpi.hot_path PROPERTIES LABELS mpi TIMEOUT 200 SKIP_RETURN_CODE 77
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endif()
