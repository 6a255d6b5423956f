# SPDX-License-Identifier: BSD-3-Clause
#
# Online tuning.
add_executable(online_calls online_calls.c)
target_link_libraries(online_calls PRIVATE vcoll_flags)

add_test(NAME mpi.online_learn COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/online_learn.sh ${VC_MPIRUN}
  $<TARGET_FILE_DIR:online_calls>)
set_tests_properties(mpi.online_learn PROPERTIES LABELS mpi TIMEOUT 180 SKIP_RETURN_CODE 77
  ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")

vc_alone(mpi.online_learn)

# Every call may be a trial: ranks must stay in step, and results right.
vc_mpi_test(online_mix NP 4 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000
  COMMAND $<TARGET_FILE:online_calls> mix 12000)
vc_mpi_test(online_mix_nodes NP 4 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_NODE_SPLIT=2
  COMMAND $<TARGET_FILE:online_calls> mix 12000)
vc_mpi_test(online_mix_mpi NP 3 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_CHANNELS=mpi
  COMMAND $<TARGET_FILE:online_calls> mix 8000)
vc_mpi_test(online_mix_repro NP 3 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_REPRODUCIBLE=1
  COMMAND $<TARGET_FILE:online_calls> mix 6000)
vc_mpi_test(online_threads NP 2 TIMEOUT 120 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_threads> 1500)
set_tests_properties(mpi.online_threads PROPERTIES SKIP_RETURN_CODE 77)
vc_mpi_test(online_progress NP 4 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_progress>)
vc_mpi_test(online_reuse NP 3 PRELOAD ENV VCOLL_TUNE=online VCOLL_TUNE_SHARE=1000 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:law_lifecycle> reuse 100)
