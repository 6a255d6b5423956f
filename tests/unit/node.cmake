# SPDX-License-Identifier: BSD-3-Clause
foreach(test test_node test_node_tree test_node_threads test_node_failures)
  vc_unit_test(${test} ${test}.c node_rig.c node_levels.c)
  target_link_libraries(${test} PRIVATE vc_conformance)
endforeach()
vc_unit_test(test_wait test_wait.c)
vc_unit_test(test_wait_src test_wait_src.c)
