# SPDX-License-Identifier: BSD-3-Clause
#
# The front door.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

vc_unit_test(door_select door_select.c)

foreach(_t semantics errors comms calls)
  add_executable(door_${_t} door_${_t}.c)
  target_link_libraries(door_${_t} PRIVATE vcoll_flags)
endforeach()
add_executable(door_public door_public.c)
target_link_libraries(door_public PRIVATE vcoll vcoll_flags)

# Without the library the tests must pass, too: then they say what MPI does.
vc_mpi_test(door_semantics_native NP 3 COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_errors_native NP 2 COMMAND $<TARGET_FILE:door_errors>)
vc_mpi_test(door_comms_native NP 4 COMMAND $<TARGET_FILE:door_comms>)

vc_mpi_test(door_semantics NP 5 PRELOAD COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_semantics_nodes NP 5 PRELOAD ENV VCOLL_NODE_SPLIT=2 COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_semantics_mpi NP 4 PRELOAD ENV VCOLL_CHANNELS=mpi COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_semantics_repro NP 3 PRELOAD ENV VCOLL_REPRODUCIBLE=1 VCOLL_CHANNELS=shm
  COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_semantics_nobulk NP 3 PRELOAD ENV VCOLL_SHM_BULK=0 VCOLL_SETUP_AFTER=1
  COMMAND $<TARGET_FILE:door_semantics>)
vc_mpi_test(door_errors NP 3 PRELOAD COMMAND $<TARGET_FILE:door_errors>)
vc_mpi_test(door_comms NP 5 PRELOAD COMMAND $<TARGET_FILE:door_comms>)
vc_mpi_test(door_comms_nodes NP 4 PRELOAD ENV VCOLL_NODE_SPLIT=2 VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:door_comms>)
vc_mpi_test(door_comms_limit NP 4 PRELOAD ENV VCOLL_SHM_LIMIT=100k COMMAND $<TARGET_FILE:door_comms>)
vc_mpi_test(door_public NP 3 COMMAND $<TARGET_FILE:door_public>)

if(VCOLL_COUNT_CALLS)
  add_executable(door_counts door_counts.c)
  target_link_libraries(door_counts PRIVATE vcoll_flags)
  vc_mpi_test(door_counts_native NP 3 COMMAND $<TARGET_FILE:door_counts>)
  foreach(_np 2 3)
    vc_mpi_test(door_counts.${_np} NP ${_np} PRELOAD ENV VCOLL_SETUP_AFTER=1 COMMAND $<TARGET_FILE:door_counts>)
  endforeach()
  vc_mpi_test(door_counts_lazy NP 3 PRELOAD COMMAND $<TARGET_FILE:door_counts>)
endif()

add_test(NAME mpi.door_symbols COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_symbols.sh $<TARGET_FILE:vcoll>
  ${MPI_mpi_LIBRARY} ${PROJECT_BINARY_DIR}/pmpi/symbols.list ${PROJECT_SOURCE_DIR}/include/vcoll/vcoll.h)
set_tests_properties(mpi.door_symbols PROPERTIES LABELS mpi TIMEOUT 60)

add_test(NAME mpi.door_settings COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/door_settings.py
  $<TARGET_FILE:vcoll> ${VC_MPIRUN} $<TARGET_FILE:door_calls>)
set_tests_properties(mpi.door_settings PROPERTIES LABELS mpi TIMEOUT 180)

# vc_door_taken(<name> <command>...): the command's collectives arrive and are taken over.
function(vc_door_taken name)
  add_test(NAME mpi.door_${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/door_taken.py
    $<TARGET_FILE:vcoll> ${VC_MPIRUN} 3 ${ARGN})
  set_tests_properties(mpi.door_${name} PROPERTIES LABELS mpi TIMEOUT 120)
endfunction()

vc_door_taken(calls --others $<TARGET_FILE:door_calls>)

# Fortran, by the MPI's compiler wrapper: the project itself needs no Fortran.
find_program(VC_MPIFORT mpifort)
if(VC_MPIFORT)
  set(_others_of_f08 --others)
  foreach(_t mpifh.f usempi.f90 f08.f90)
    string(REGEX REPLACE "\\..*" "" _n ${_t})
    # Each with a folder for its modules: two have one of the same name.
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${_n}.mod)
    add_custom_command(OUTPUT door_${_n}
      COMMAND ${VC_MPIFORT} -O1 -J ${CMAKE_CURRENT_BINARY_DIR}/${_n}.mod -o door_${_n} ${CMAKE_CURRENT_SOURCE_DIR}/door_${_t}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/door_${_t} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR} VERBATIM)
    list(APPEND _fortran ${CMAKE_CURRENT_BINARY_DIR}/door_${_n})
    vc_door_taken(${_n} ${_others_of_${_n}} ${CMAKE_CURRENT_BINARY_DIR}/door_${_n})
  endforeach()
  add_custom_target(door_fortran ALL DEPENDS ${_fortran})
endif()

execute_process(COMMAND /usr/bin/python3 -c "import mpi4py" RESULT_VARIABLE _no_mpi4py OUTPUT_QUIET ERROR_QUIET)
if(NOT _no_mpi4py)
  vc_door_taken(mpi4py --others /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/door_mpi4py.py)
  vc_mpi_test(door.python NP 3 PRELOAD ENV VCOLL_SETUP_AFTER=1
    COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/door_python.py)
  vc_mpi_test(door.python.thread NP 4 PRELOAD
    ENV VCOLL_SETUP_AFTER=1 VCOLL_NODE_SPLIT=2 VCOLL_PROGRESS=thread VCOLL_NONBLOCKING=early
    COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/door_python.py)
endif()
