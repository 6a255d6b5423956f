# SPDX-License-Identifier: BSD-3-Clause
if(TARGET vcoll_doctor_parts)
  vc_unit_test(test_doctor test_doctor.c doctor_job.c doctor_node.c doctor_rank.c doctor_rig.c)
  target_link_libraries(test_doctor PRIVATE vcoll_doctor_parts)
  add_test(NAME unit.doctor_tool
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_doctor_tool.sh $<TARGET_FILE:vcoll-tool> ${PROJECT_SOURCE_DIR})
  set_tests_properties(unit.doctor_tool PROPERTIES LABELS unit TIMEOUT 60)
endif()
