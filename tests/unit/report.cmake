# SPDX-License-Identifier: BSD-3-Clause
#
# Pages of `vcoll report`.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
if(TARGET vcoll-tool)
  add_test(NAME unit.report COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_report.py
    $<TARGET_FILE:vcoll-tool> ${CMAKE_CURRENT_SOURCE_DIR}/data)
  add_test(NAME unit.report_figures COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_report_figures.py
    $<TARGET_FILE:vcoll-tool> ${CMAKE_CURRENT_SOURCE_DIR}/data)
  set_tests_properties(unit.report unit.report_figures PROPERTIES LABELS unit TIMEOUT 120)
endif()
