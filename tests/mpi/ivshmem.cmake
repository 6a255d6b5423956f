# SPDX-License-Identifier: BSD-3-Clause
# A file as the memory that machines share.
add_executable(ivshmem_noise ${CMAKE_CURRENT_SOURCE_DIR}/ivshmem_noise.c)
add_executable(ivshmem_loop ${CMAKE_CURRENT_SOURCE_DIR}/ivshmem_loop.c)
target_link_libraries(ivshmem_loop PRIVATE vcoll_flags)
foreach(_kind equal odd hostile)
  add_test(NAME mpi.ivshmem.${_kind} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/ivshmem.sh ${VC_MPIRUN} $<TARGET_FILE:differential>
    $<TARGET_FILE:ivshmem_noise> $<TARGET_FILE:ivshmem_loop> ${_kind})
  set_tests_properties(mpi.ivshmem.${_kind} PROPERTIES LABELS mpi TIMEOUT 180 ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()
