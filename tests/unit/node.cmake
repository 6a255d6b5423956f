# SPDX-License-Identifier: BSD-3-Clause
vc_unit_test(test_node test_node.c)
vc_unit_test(test_wait test_wait.c)
vc_unit_test(test_wait_src test_wait_src.c)
vc_unit_test(test_node_threads test_node_threads.c)
target_link_libraries(test_node_threads PRIVATE vc_conformance)
