# SPDX-License-Identifier: BSD-3-Clause
if(TARGET vcoll_sim_parts)
  vc_unit_test(test_sim test_sim.c)
  target_link_libraries(test_sim PRIVATE vcoll_sim_parts vcoll_plot)
  add_test(NAME unit.sim_tool COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_sim_tool.sh $<TARGET_FILE:vcoll-tool>
    ${CMAKE_CURRENT_SOURCE_DIR}/data/report-small.json)
  set_tests_properties(unit.sim_tool PROPERTIES LABELS unit TIMEOUT 60)
endif()
