# SPDX-License-Identifier: BSD-3-Clause
#
# The pages: links, settings and versions they name, and the README's table and plot. The completion for bash.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME unit.docs COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_docs.py ${PROJECT_SOURCE_DIR})
add_test(NAME unit.docs_summary COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/figures-summary --check)
set_tests_properties(unit.docs unit.docs_summary PROPERTIES LABELS unit TIMEOUT 60)
if(TARGET vcoll-tool)
  add_test(NAME unit.completion
    COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_completion.sh $<TARGET_FILE:vcoll-tool> ${PROJECT_SOURCE_DIR})
  set_tests_properties(unit.completion PROPERTIES LABELS unit TIMEOUT 60)
endif()
