# SPDX-License-Identifier: BSD-3-Clause
#
# Tuning tables: the loader, the schema, selection by them.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

vc_unit_test(test_choice test_choice.c)
vc_unit_test(test_select test_select.c)
vc_unit_test(test_table_text test_table_text.c)
add_executable(test_table test_table.c)
target_link_libraries(test_table PRIVATE vcoll_core PkgConfig::CMOCKA m)
add_test(NAME unit.test_table COMMAND test_table ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(unit.test_table PROPERTIES LABELS unit TIMEOUT 60)

# What the library has in place of the parsed rules.
if(TARGET vcoll_rows)
  add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/builtin_rows.c
    COMMAND vcoll_rows > ${CMAKE_CURRENT_BINARY_DIR}/builtin_rows.c
    DEPENDS vcoll_rows
    VERBATIM)
  vc_unit_test(test_table_rows test_table_rows.c ${CMAKE_CURRENT_BINARY_DIR}/builtin_rows.c)
endif()

# Schema and documentation against vc_key_info[], vc_coll_info[] and the registry.
add_executable(test_key_info test_key_info.c)
target_link_libraries(test_key_info PRIVATE vcoll_core PkgConfig::CMOCKA m)
add_test(NAME unit.test_key_info COMMAND test_key_info ${PROJECT_SOURCE_DIR})
set_tests_properties(unit.test_key_info PROPERTIES LABELS unit TIMEOUT 60)

# The same cases against the schema; without python3-jsonschema (Debian) the test is skipped. The interpreter is the
# distribution's, which that package is for, where there is one.
find_program(VC_SCHEMA_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(NOT VC_SCHEMA_PYTHON)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(VC_SCHEMA_PYTHON ${Python3_EXECUTABLE})
endif()
add_test(NAME unit.table_schema COMMAND ${VC_SCHEMA_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/table_schema.py
  ${PROJECT_SOURCE_DIR})
set_tests_properties(unit.table_schema PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
