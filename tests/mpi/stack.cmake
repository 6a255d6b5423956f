# SPDX-License-Identifier: BSD-3-Clause
#
# Beside other tools, other MPIs, and in programs without MPI.
foreach(_t a b next both)
  string(TOUPPER ${_t} _style)
  add_library(stack_${_t} SHARED stack_tool.c)
  target_link_libraries(stack_${_t} PRIVATE vcoll_flags)
  set_target_properties(stack_${_t} PROPERTIES C_VISIBILITY_PRESET default)
  target_compile_definitions(stack_${_t} PRIVATE STACK_TOOL=tool_${_t} STACK_${_style})
endforeach()
add_executable(stack_calls stack_calls.c)
add_executable(stack_linked stack_calls.c)
add_executable(stack_static stack_calls.c stack_tool.c)
add_executable(stack_vcoll_first stack_calls.c)
add_executable(stack_vcoll_last stack_calls.c)
target_compile_definitions(stack_static PRIVATE STACK_TOOL=tool_a)
target_link_options(stack_static PRIVATE -rdynamic)
set_target_properties(stack_static PROPERTIES C_VISIBILITY_PRESET default)
target_link_libraries(stack_linked PRIVATE -Wl,--no-as-needed stack_a)
target_link_libraries(stack_vcoll_first PRIVATE -Wl,--no-as-needed vcoll stack_a)
target_link_libraries(stack_vcoll_last PRIVATE -Wl,--no-as-needed stack_a vcoll)
foreach(_t calls linked static vcoll_first vcoll_last)
  target_link_libraries(stack_${_t} PRIVATE vcoll_flags)
endforeach()
foreach(_what preloaded linked chained)
  add_test(NAME mpi.stack.${_what}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/stack.sh ${_what} ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(mpi.stack.${_what} PROPERTIES LABELS mpi TIMEOUT 180
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()

# Another family of MPI, as far as it is needed; with MPI_ names alone it is what sequential programs bring along. Its
# programs must not be linked with ours.
foreach(_t mpi stub)
  add_library(other_${_t} SHARED other_mpi.c)
  target_compile_options(other_${_t} PRIVATE -Wall -Wextra -Wno-attribute-alias)
  set_target_properties(other_${_t} PROPERTIES C_VISIBILITY_PRESET default)
endforeach()
target_compile_definitions(other_stub PRIVATE OTHER_STUB)
add_executable(other_program other_program.c)
target_link_libraries(other_program PRIVATE other_mpi)
add_executable(other_stub_program other_program.c)
target_link_libraries(other_stub_program PRIVATE other_stub)
add_executable(children children.c)
target_link_libraries(children PRIVATE vcoll_flags)
foreach(_what mpich none children)
  add_test(NAME mpi.outside.${_what}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/outside.sh ${_what} ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(mpi.outside.${_what} PROPERTIES LABELS mpi TIMEOUT 120
    ENVIRONMENT "VC_TEST_PRELOAD=$<TARGET_FILE:vcoll>")
endforeach()
