# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_params test_params.c)
vc_unit_test(test_topology test_topology.c)
vc_unit_test(test_levels test_levels.c)
vc_unit_test(test_cluster test_cluster.c)

# The command: words, exit codes, what it prints, that docs and man pages say what the parameter table says, and how it
# starts mpirun (a made-up one, so that no MPI job is needed).
if(TARGET vcoll-tool)
  add_test(NAME unit.tool
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_tool.sh $<TARGET_FILE:vcoll-tool> ${PROJECT_SOURCE_DIR})
  set_tests_properties(unit.tool PROPERTIES LABELS unit TIMEOUT 120)
  add_test(NAME unit.secure COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_secure.sh $<TARGET_FILE:vcoll-tool>)
  set_tests_properties(unit.secure PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
endif()
# Installs into a scratch directory, builds a program against it with pkg-config and with CMake, and runs an unmodified
# one with `vcoll run`. A sanitized library cannot be put into programs that are not.
if(TARGET vcoll AND TARGET vcoll-tool AND NOT VCOLL_SANITIZE)
  add_test(NAME unit.install
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_install.sh ${CMAKE_COMMAND} ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER})
  set_tests_properties(unit.install PROPERTIES LABELS unit TIMEOUT 180 PROCESSORS 2)
endif()

# The scripts of the quick start, with programs that only tell, and the words of tests/distro/run.
add_test(NAME unit.scripts COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/test_scripts.sh ${PROJECT_SOURCE_DIR})
set_tests_properties(unit.scripts PROPERTIES LABELS unit TIMEOUT 120)
