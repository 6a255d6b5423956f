# SPDX-License-Identifier: BSD-3-Clause
if(TARGET vcoll-doctor)
  add_executable(doctor_forbid doctor_forbid.c)
  target_link_libraries(doctor_forbid PRIVATE vcoll_flags)
  foreach(case healthy alone settings files sandbox library path devices hosts binding stopped)
    add_test(NAME mpi.doctor_${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/doctor.sh ${case} ${VC_MPIRUN}
      $<TARGET_FILE:vcoll-tool> $<TARGET_FILE:vcoll_loopback_verbs> $<TARGET_FILE:doctor_forbid>)
    set_tests_properties(mpi.doctor_${case} PROPERTIES LABELS mpi TIMEOUT 180 SKIP_RETURN_CODE 77)
  endforeach()
endif()
