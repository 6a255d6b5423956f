# SPDX-License-Identifier: BSD-3-Clause
# vcoll-tune's check and validate --measure, and its device settings.
if(TARGET vcoll-tune)
  foreach(_part check remeasure)
    add_test(NAME mpi.tune_${_part} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tune_${_part}.sh $<TARGET_FILE:vcoll-tune>)
    set_tests_properties(mpi.tune_${_part} PROPERTIES LABELS mpi TIMEOUT 240)
  endforeach()
  vc_alone(mpi.tune_check mpi.tune_remeasure)

  # Against a made-up kernel; no front door, so that nothing but the MPI is needed.
  add_executable(tune_device tune_device.c ${PROJECT_SOURCE_DIR}/tests/unit/coalesce_kernel.c)
  target_include_directories(tune_device PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
  target_link_libraries(tune_device PRIVATE vcoll vcoll_search PkgConfig::MNL PkgConfig::CMOCKA)
  vc_mpi_test(tune_device NP 3 COMMAND $<TARGET_FILE:tune_device>)
endif()
