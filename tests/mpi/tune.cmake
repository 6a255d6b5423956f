# SPDX-License-Identifier: BSD-3-Clause
if(TARGET vcoll-tune)
  foreach(case run2 run4 exhaustive resume interrupt words plan)
    add_test(NAME mpi.tune_${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tune.sh ${case} $<TARGET_FILE:vcoll-tune>
      $<TARGET_FILE:vcoll-tool> $<TARGET_FILE:vcoll-bench>)
    set_tests_properties(mpi.tune_${case} PROPERTIES LABELS mpi TIMEOUT 180 SKIP_RETURN_CODE 77)
  endforeach()
  vc_alone(mpi.tune_run2 mpi.tune_exhaustive mpi.tune_resume mpi.tune_interrupt)
endif()
