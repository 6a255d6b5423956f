# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_plan_builder test_plan_builder.c)
vc_unit_test(test_checker test_checker.c)
vc_unit_test(test_plan_parts test_plan_parts.c)
# Proves the algorithms of one collective each; the sizes and roots of all together take about a minute.
add_executable(test_plans test_plans.c)
target_link_libraries(test_plans PRIVATE vcoll_core)
file(STRINGS ${PROJECT_SOURCE_DIR}/coll/algs.list colls REGEX "^VC_ALG_ENTRY")
list(TRANSFORM colls REPLACE "VC_ALG_ENTRY.([a-z_]+),.*" "\\1")
list(REMOVE_DUPLICATES colls)
if(NOT colls)
  message(FATAL_ERROR "coll/algs.list: no algorithms found")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/coll/algs.list)
foreach(coll ${colls})
  add_test(NAME unit.test_plans.${coll} COMMAND test_plans ${coll})
  set_tests_properties(unit.test_plans.${coll} PROPERTIES LABELS unit TIMEOUT 600)
endforeach()
vc_unit_test(test_two_level test_two_level.c)

# Memory is counted by way of the linker.
add_executable(test_plan_budget test_plan_budget.c)
target_link_libraries(test_plan_budget PRIVATE vcoll_core)
target_link_options(test_plan_budget PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free)
if(VCOLL_SANITIZE) # each access costs more
  target_compile_definitions(test_plan_budget PRIVATE BUDGET_NS=50000000)
endif()
add_test(NAME unit.test_plan_budget COMMAND test_plan_budget)
set_tests_properties(unit.test_plan_budget PROPERTIES LABELS unit TIMEOUT 120)
