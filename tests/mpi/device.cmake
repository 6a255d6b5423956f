# SPDX-License-Identifier: BSD-3-Clause
#
# Memory of devices, with drivers that stand in for the real ones, and with the real ones where they are.
add_executable(device_memory device_memory.c device_api.c)
target_link_libraries(device_memory PRIVATE vcoll_flags ${CMAKE_DL_LIBS})

# vc_standin(<target> <file> <source> [definition])
function(vc_standin target file source)
  add_library(${target} SHARED ${source})
  target_compile_definitions(${target} PRIVATE ${ARGN})
  target_link_libraries(${target} PRIVATE vcoll_flags)
  set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX "" OUTPUT_NAME ${file}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${target})
endfunction()
vc_standin(standin_cuda libcuda.so.1 device_standin.c VC_STANDIN_CUDA=1)
vc_standin(standin_hip5 libamdhip64.so.5 device_standin.c VC_STANDIN_HIP=5)
vc_standin(standin_hip6 libamdhip64.so.6 device_standin.c VC_STANDIN_HIP=6)
vc_standin(standin_ze libze_loader.so.1 device_standin.c VC_STANDIN_ZE=1)
# The loader loads the library of a device where there is one; alone it is part of many MPIs.
vc_standin(standin_ze_gpu libze_intel_gpu.so.1 device_empty.c)
target_link_libraries(standin_ze PRIVATE -Wl,--no-as-needed standin_ze_gpu)
vc_standin(standin_ze_alone libze_loader.so.1 device_standin.c VC_STANDIN_ZE=1)

# vc_device_test(<name> <ranks> <when> <api> <library> [A=b ...])
function(vc_device_test name np when api library)
  vc_mpi_test(device.${name} NP ${np} PRELOAD TIMEOUT 120 ENV VCOLL_SETUP_AFTER=1 ${ARGN}
    COMMAND $<TARGET_FILE:device_memory> ${when} ${api} ${library})
  set_tests_properties(mpi.device.${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# Nothing may be native: this MPI takes no device memory.
set(_shm VCOLL_ALG=bcast=shm,reduce=shm,allreduce=shm,allgather=shm,alltoall=shm,gather=shm,scatter=shm)
set(_once VCOLL_CMA_MIN=4k
  VCOLL_ALG=bcast=shm_cma,reduce=shm_cma,allreduce=shm_cma,allgather=shm_cma,alltoall=shm_cma,gather=shm_cma,scatter=shm_cma)
set(_plans VCOLL_NODE_SPLIT=1
  VCOLL_ALG=bcast=binomial,reduce=binomial,allreduce=two_level,allgather=bruck,alltoall=pairwise,gather=binomial,scatter=binomial)
set(_cuda $<TARGET_FILE:standin_cuda>)
set(_quick VC_DEVICE_QUICK=1)
vc_device_test(cuda 2 before cuda ${_cuda} ${_shm})
vc_device_test(cuda.3 3 before cuda ${_cuda} ${_quick} ${_shm})
vc_device_test(cuda.pool 2 before cuda ${_cuda} ${_quick} ${_shm} VC_STANDIN_POOL=1)
vc_device_test(cuda.managed 2 before cuda ${_cuda} ${_quick} ${_shm} VC_STANDIN_MANAGED=1)
vc_device_test(cuda.after 2 after cuda ${_cuda} ${_quick} ${_shm})
vc_device_test(cuda.late 2 late cuda ${_cuda} ${_quick} ${_shm} VCOLL_DEVICE_MEMORY=watch)
vc_device_test(cuda.fail 3 fail cuda ${_cuda} ${_shm})
vc_device_test(cuda.stats 2 before cuda ${_cuda} ${_quick} ${_shm} VCOLL_STATS=text)
vc_device_test(cuda.copy_once 2 before cuda ${_cuda} ${_once})
vc_device_test(cuda.copy_once.3 3 before cuda ${_cuda} ${_quick} ${_once})
vc_device_test(cuda.nodes 3 before cuda ${_cuda} ${_quick} ${_plans})
vc_device_test(cuda.verbs 2 before cuda ${_cuda} ${_plans} VCOLL_CHANNELS=verbs VCOLL_VERBS_ZCOPY_MIN=4k
  VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>)
vc_device_test(hip5 2 before hip $<TARGET_FILE:standin_hip5> ${_quick} ${_shm})
vc_device_test(hip6 3 after hip $<TARGET_FILE:standin_hip6> ${_quick} ${_shm})
vc_device_test(ze 2 before ze $<TARGET_FILE:standin_ze> ${_shm})

# Every call asks a driver, which the program does not use: results are those of the host, with threads, too.
vc_mpi_test(device.differential NP 3 TIMEOUT 120
  ENV VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>:$<TARGET_FILE:standin_cuda>:$<TARGET_FILE:standin_hip6>:$<TARGET_FILE:standin_ze>
  COMMAND $<TARGET_FILE:differential> --seed 11 --seconds 1 --iterations 120)
vc_mpi_test(device.threads NP 2 TIMEOUT 120 ENV VCOLL_SETUP_AFTER=1
  VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>:$<TARGET_FILE:standin_cuda>:$<TARGET_FILE:standin_hip6>:$<TARGET_FILE:standin_ze>
  COMMAND $<TARGET_FILE:law_threads>)
set_tests_properties(mpi.device.threads PROPERTIES SKIP_RETURN_CODE 77)

vc_mpi_test(device.loader_alone NP 2 ENV VCOLL_SETUP_AFTER=1 VCOLL_LOG=info
  VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>:$<TARGET_FILE:standin_ze_alone> COMMAND $<TARGET_FILE:law_verify> 1)
set_tests_properties(mpi.device.loader_alone PROPERTIES FAIL_REGULAR_EXPRESSION "memory is staged"
  PASS_REGULAR_EXPRESSION "ok active")

# A driver without the functions: one line, and calls on host memory go on.
vc_standin(standin_empty libcuda.so.1 device_empty.c)
vc_device_test(empty 2 empty cuda $<TARGET_FILE:standin_empty> ${_quick} ${_shm})
set_tests_properties(mpi.device.empty PROPERTIES PASS_REGULAR_EXPRESSION "has not all functions.*[1-9] cases")

# Real ones: by their names, where a GPU is.
foreach(_real cuda=libcuda.so.1 hip=libamdhip64.so ze=libze_loader.so.1)
  string(REGEX MATCH "(.*)=(.*)" _ ${_real})
  vc_device_test(real.${CMAKE_MATCH_1} 2 before ${CMAKE_MATCH_1} ${CMAKE_MATCH_2} ${_shm})
endforeach()
