# SPDX-License-Identifier: BSD-3-Clause
# The conformance suite over channels, as a library: its functions run over any channel.
add_library(vc_conformance STATIC conformance/conformance.c conformance/harness.c conformance/engine_suite.c)
target_link_libraries(vc_conformance PUBLIC vcoll_core)

vc_unit_test(test_calibrate test_calibrate.c)
vc_alone(unit.test_calibrate)
vc_unit_test(test_costs_file test_costs_file.c)
vc_unit_test(test_copy test_copy.c)
vc_unit_test(test_segment test_segment.c)
vc_unit_test(test_arena test_arena.c)

vc_unit_test(test_shm_chan test_shm_chan.c)
target_link_libraries(test_shm_chan PRIVATE vc_conformance)

vc_unit_test(test_mem_ranges test_mem_ranges.c)
vc_unit_test(test_ivshmem test_ivshmem.c)
target_link_libraries(test_ivshmem PRIVATE vc_conformance)

vc_unit_test(test_engine test_engine.c)
target_link_libraries(test_engine PRIVATE vc_conformance)
# With a sanitizer on a loaded machine: thousands of plans of ranks that share CPUs.
set_tests_properties(unit.test_engine PROPERTIES TIMEOUT 400)

foreach(prog conformance_mpi conformance_verbs engine_mpi)
  add_executable(${prog} ${PROJECT_SOURCE_DIR}/tests/mpi/${prog}.c)
  target_link_libraries(${prog} PRIVATE vc_conformance vcoll_core)
endforeach()
# Open MPI's own single copy would hide whether we drive its progress.
set(_no_copy OMPI_MCA_btl_vader_single_copy_mechanism=none)
vc_mpi_test(conformance NP 4 ENV ${_no_copy} COMMAND $<TARGET_FILE:conformance_mpi>)
vc_mpi_test(conformance.32 NP 32 TIMEOUT 120 ENV ${_no_copy} COMMAND $<TARGET_FILE:conformance_mpi>)
vc_mpi_test(conformance_probe NP 3 ENV ${_no_copy} COMMAND $<TARGET_FILE:conformance_mpi> probe)
# Its sched_yield() stands in for the C library's.
add_executable(progress_tells ${PROJECT_SOURCE_DIR}/tests/mpi/progress_tells.c)
target_link_libraries(progress_tells PRIVATE vcoll_core)
set_target_properties(progress_tells PROPERTIES ENABLE_EXPORTS ON)
vc_mpi_test(progress_tells NP 2 COMMAND $<TARGET_FILE:progress_tells>)
set_tests_properties(mpi.progress_tells PROPERTIES SKIP_RETURN_CODE 77)
vc_mpi_test(engine NP 4 COMMAND $<TARGET_FILE:engine_mpi>)

# The verbs channel, over the loopback device.
vc_unit_test(test_verbs_chan test_verbs_chan.c)
target_link_libraries(test_verbs_chan PRIVATE vc_conformance)
target_compile_definitions(test_verbs_chan PRIVATE VC_LOOPBACK_LIBRARY="$<TARGET_FILE:vcoll_loopback_verbs>")
add_dependencies(test_verbs_chan vcoll_loopback_verbs)
set_tests_properties(unit.test_verbs_chan PROPERTIES LABELS loopback TIMEOUT 300)
# Ranks that poll and share CPUs with other tests: mostly a matter of turns, under a sanitizer minutes of them.
set_tests_properties(unit.test_shm_chan unit.test_ivshmem PROPERTIES TIMEOUT 300)
vc_unit_test(test_verbs_lost test_verbs_lost.c verbs_rig.c)
target_link_libraries(test_verbs_lost PRIVATE vc_conformance)
target_compile_definitions(test_verbs_lost PRIVATE VC_LOOPBACK_LIBRARY="$<TARGET_FILE:vcoll_loopback_verbs>")
add_dependencies(test_verbs_lost vcoll_loopback_verbs)
# A device that was removed destroys nothing any more.
set_tests_properties(unit.test_verbs_lost PROPERTIES LABELS loopback TIMEOUT 300 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
vc_unit_test(test_verbs_peers test_verbs_peers.c verbs_rig.c)
target_link_libraries(test_verbs_peers PRIVATE vc_conformance)
target_compile_definitions(test_verbs_peers PRIVATE VC_LOOPBACK_LIBRARY="$<TARGET_FILE:vcoll_loopback_verbs>")
add_dependencies(test_verbs_peers vcoll_loopback_verbs)
set_tests_properties(unit.test_verbs_peers PROPERTIES LABELS loopback TIMEOUT 300 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
vc_unit_test(test_verbs_wrap test_verbs_wrap.c verbs_rig.c)
target_link_libraries(test_verbs_wrap PRIVATE vc_conformance)
target_compile_definitions(test_verbs_wrap PRIVATE VC_LOOPBACK_LIBRARY="$<TARGET_FILE:vcoll_loopback_verbs>")
add_dependencies(test_verbs_wrap vcoll_loopback_verbs)
set_tests_properties(unit.test_verbs_wrap PROPERTIES LABELS loopback TIMEOUT 300 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)

vc_unit_test(test_verbs_busy test_verbs_busy.c fake_verbs.c)
vc_unit_test(test_verbs_device test_verbs_device.c fake_verbs.c)
add_dependencies(test_verbs_device vcoll_loopback_verbs)
set_tests_properties(unit.test_verbs_device PROPERTIES LABELS loopback
  ENVIRONMENT "VC_TEST_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>")
if(TARGET vcoll-tool)
  add_test(NAME unit.tool_cost COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_tool_cost.sh
    $<TARGET_FILE:vcoll-tool> $<TARGET_FILE:vcoll_loopback_verbs>)
  set_tests_properties(unit.tool_cost PROPERTIES LABELS loopback TIMEOUT 300)
endif()

vc_unit_test(test_coalesce test_coalesce.c coalesce_kernel.c)
target_link_libraries(test_coalesce PRIVATE PkgConfig::MNL)
vc_unit_test(test_netdev test_netdev.c)

foreach(_part "" _limits _threads)
  vc_unit_test(test_regcache${_part} test_regcache${_part}.c pipe_device.c)
endforeach()

# What MPI_Init exchanges, and what comes of it.
vc_unit_test(test_gather test_gather.c ${PROJECT_SOURCE_DIR}/pmpi/gather.c ${PROJECT_SOURCE_DIR}/pmpi/records.c)
vc_unit_test(test_places test_places.c ${PROJECT_SOURCE_DIR}/pmpi/places.c)

find_package(Python3 REQUIRED COMPONENTS Interpreter)
# The rooms, and each program by itself.
foreach(_part vcoll_core vcoll vcoll_measure vcoll_points vcoll_search vcoll-tool vcoll-bench vcoll-tune vcoll_doctor_parts
  vcoll_sim_parts)
  if(_part MATCHES "^vcoll(_core)?$" OR VCOLL_BUILD_TOOLS)
    add_test(NAME unit.circles.${_part} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_circles.py
      ${CMAKE_NM} $<TARGET_OBJECTS:${_part}> COMMAND_EXPAND_LISTS)
    set_tests_properties(unit.circles.${_part} PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
  endif()
endforeach()

# No test: prints what copies between two cores cost.
add_executable(print_copies print_copies.c)
target_link_libraries(print_copies PRIVATE vcoll_core)
