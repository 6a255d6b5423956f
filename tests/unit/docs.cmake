# SPDX-License-Identifier: BSD-3-Clause
#
# The pages: links, settings they name, and the README's table and plot.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME unit.docs COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/test_docs.py ${PROJECT_SOURCE_DIR})
add_test(NAME unit.docs_summary COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/figures-summary --check)
set_tests_properties(unit.docs unit.docs_summary PROPERTIES LABELS unit TIMEOUT 60)
