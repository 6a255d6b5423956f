# SPDX-License-Identifier: BSD-3-Clause
#
# Tuning tables: found by rank 0, obeyed by all ranks. Label mpi; those over the loopback verbs device: loopback.
add_executable(table table.c)
target_link_libraries(table PRIVATE vcoll vcoll_flags)
vc_unit_test(table_model table_model.c)

# vc_table_test(<case> [LOOPBACK]): table.sh MPIRUN DIRECTORY <case>
function(vc_table_test case)
  set(label mpi)
  set(env VC_TABLE_LIB=$<TARGET_FILE:vcoll>)
  if("LOOPBACK" IN_LIST ARGN)
    set(label loopback)
    list(APPEND env VCOLL_VERBS_LIBRARY=$<TARGET_FILE:vcoll_loopback_verbs>)
  endif()
  add_test(NAME ${label}.table.${case}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/table.sh ${VC_MPIRUN} ${CMAKE_CURRENT_BINARY_DIR} ${case})
  set_tests_properties(${label}.table.${case} PROPERTIES LABELS ${label} TIMEOUT 120 SKIP_RETURN_CODE 77
    ENVIRONMENT "${env}")
endfunction()

foreach(_case obeyed nodes waits progress broken strict ranks force found)
  vc_table_test(${_case})
endforeach()
foreach(_case channels forced_channels mixed devices key)
  vc_table_test(${_case} LOOPBACK)
endforeach()
vc_alone(mpi.table.waits)
